//! Kernels judged, and a matrix booted, in a lab of others.

use crate::cis::{self, text};
use crate::hosts::{Host, STEADY, port};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use xtask::store::{self, StoredRun};
use xtask::{build, ci};

/// Our program, started so.
struct Tool<'c> {
    command: &'c dyn Fn() -> Command,
}

impl Tool<'_> {
    #[track_caller]
    fn ends_well(&self, words: &[&str]) {
        let out = (self.command)().args(words).output().unwrap();
        println!("{words:?}: {}\n{}", out.status, text(&out));
        assert!(out.status.success(), "{words:?}: {}", text(&out));
    }
}

/// The runs that are stored in a directory.
fn stored(dir: &Path) -> Vec<StoredRun> {
    store::list(&dir.join("runs")).unwrap().0
}

fn script(file: &Path, lines: &str) {
    fs::write(file, format!("#!/bin/sh\n{lines}\n")).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(file, mode).unwrap();
}

/// Each of both jobs waits for the other, so that neither ends alone.
const QUEUED: &str = r#"
[defaults]
runners = ["srun -Q sh one.sh", "srun -Q sh two.sh"]

[kernels]
old = "built:6.12"
new = "debian:6.12-cloud"

[machines]
one = { append = "quiet" }
two = {}

[plans]
pipes = "time=50ms work=PipeIo"
waits = "time=50ms work=SpinWait"
"#;

/// A cluster of one node, and the environment of who gives it jobs.
fn slurm(host: &mut Host) -> Vec<(&'static str, String)> {
    let root = ci::tools::slurm(false).unwrap();
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let libraries = libraries.display();
    let home = host.file("").display().to_string();
    let config = format!(
        "ClusterName=lab\nSlurmctldHost=lab(127.0.0.1)\n\
         SlurmctldPort={}\nSlurmdPort={}\n\
         AuthType=auth/none\nCredType=cred/none\n\
         SlurmUser=lab\nSlurmdUser=lab\n\
         StateSaveLocation={home}state\nSlurmdSpoolDir={home}spool\n\
         SlurmctldPidFile={home}slurmctld.pid\n\
         SlurmdPidFile={home}slurmd.pid\n\
         PluginDir={libraries}/slurm-wlm\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
         SwitchType=switch/none\nMpiDefault=none\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
         SlurmdParameters=config_overrides\n\
         NodeName=lab NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
         PartitionName=all Nodes=ALL Default=YES State=UP\n",
        port(),
        port()
    );
    fs::write(host.file("slurm.conf"), config).unwrap();
    for dir in ["state", "spool"] {
        fs::create_dir(host.file(dir)).unwrap();
    }
    let env = vec![
        ("SLURM_CONF", format!("{home}slurm.conf")),
        (
            "LD_LIBRARY_PATH",
            format!("{libraries}:{libraries}/slurm-wlm"),
        ),
        ("PATH", cis::path(&[root.join("usr/bin")])),
    ];
    let sbin = root.join("usr/sbin");
    let mut queue = host.command(&sbin.join("slurmctld-wlm"));
    queue.arg("-D").envs(env.iter().cloned());
    host.serve(&mut queue, "Running as primary");
    let mut node = host.command(&sbin.join("slurmd-wlm"));
    node.args(["-D", "-N", "lab", "-d"]);
    node.arg(sbin.join("slurmstepd-wlm"));
    node.envs(env.iter().cloned());
    host.serve(&mut node, "started on");
    env
}

#[test]
fn slurm_boots_a_matrix() {
    let mut host = Host::new();
    let env = slurm(&mut host);
    let qemu = build::workspace().join("docs/runners/qemu.sh");
    let qemu = format!("exec sh {} {STEADY}", qemu.display());
    let made = Command::new("mkfifo").arg(host.file("fifo")).status();
    assert!(made.unwrap().success());
    script(&host.file("one.sh"), &format!("echo >fifo\n{qemu}"));
    script(&host.file("two.sh"), &format!("read _ <fifo\n{qemu}"));
    script(&host.file("qemu.sh"), &qemu);
    fs::write(host.file("m.toml"), QUEUED).unwrap();
    let command = || {
        let program = env!("CARGO_BIN_EXE_xtask");
        let mut command = host.command(program.as_ref());
        command.envs(env.iter().cloned());
        command
    };
    let tool = Tool { command: &command };
    tool.ends_well(&["matrix", "run", "m.toml", "--store", "runs"]);
    let runs = stored(&host.file(""));
    let of = |name: &str| {
        let is = |run: &&StoredRun| run.meta.runner.as_deref() == Some(name);
        runs.iter().filter(is).count()
    };
    let places = ["srun -Q sh one.sh", "srun -Q sh two.sh"];
    assert_eq!(places.map(of), [4, 4]);
    let lab = ["--runner", "srun -Q sh qemu.sh", "--store", "runs"];
    let judge = ["judge", "--kernel", "built:6.12", "--runs", "1"];
    let plan = ["--", "time=50ms", "work=PipeIo"];
    tool.ends_well(&[&judge[..], &lab, &plan].concat());
}
