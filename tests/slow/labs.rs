//! Kernels compared, judged and bisected in labs of others, and the jobs of a
//! matrix brought together.

use crate::cis::{self, text};
use crate::fakes::{history, script};
use crate::hosts::{Host, STEADY, line, over_ssh, port};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use xtask::arch::X86_64;
use xtask::store::{self, StoredRun};
use xtask::{build, ci, kernel};

/// Two kernels that are told apart by a few boots.
const OLD: &str = "built:6.12";
const NEW: &str = "debian:6.12-cloud";

/// What our program, started so, is told and says.
struct Tool<'c> {
    command: &'c dyn Fn() -> Command,
}

impl Tool<'_> {
    /// How it ends, and what it says.
    fn ends(&self, words: &[&str]) -> (Option<i32>, String) {
        let out = (self.command)().args(words).output().unwrap();
        println!("{words:?}: {}\n{}", out.status, text(&out));
        (out.status.code(), text(&out))
    }

    #[track_caller]
    fn says(&self, code: i32, words: &[&str]) -> String {
        let (ended, said) = self.ends(words);
        assert_eq!(ended, Some(code), "{words:?}: {said}");
        said
    }
}

/// Our program in a directory.
fn here(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.current_dir(dir);
    command
}

/// The runs that are stored in a directory.
fn stored(dir: &Path) -> Vec<StoredRun> {
    store::list(&dir.join("runs")).unwrap().0
}

#[test]
fn a_host_behind_ssh_takes_every_verb() {
    let (_host, ssh) = Host::behind_ssh();
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let commits = [("good", OLD), ("culprit", NEW)];
    let bin = cis::path(&[history(dir, &commits, "")]);
    fs::write(dir.join("empty"), "").unwrap();
    let command = || {
        let mut command = here(dir);
        command.env("PATH", &bin);
        command
    };
    let tool = Tool { command: &command };
    let runner = over_ssh(&ssh) + " host " + STEADY;
    // A place that is none costs nothing but the time to find out.
    let gone = over_ssh(&format!("ssh -p {}", port())) + " 127.0.0.1";
    let lab = ["--runner", &runner, "--store", "runs"];
    let plan = ["--", "time=100ms", "work=PipeIo"];
    let of = |verb: &[&'static str]| [verb, &lab, &plan].concat();
    let words = of(&["compare", OLD, NEW, "--runs", "5"]);
    let said = tool.says(1, &words);
    assert!(said.contains("rate"), "{said}");
    let judge = ["judge", "--kernel", OLD];
    for (expect, code) in [("wake.p50<1s", 0), ("wake.p50<1ns", 1)] {
        let places = ["--runner", &gone, "--expect", expect];
        let words = [&judge[..], &places, &lab, &plan].concat();
        tool.says(code, &words);
    }
    let words = of(&[
        "bisect",
        "--tree",
        "linux",
        "--good",
        "good",
        "--bad",
        "culprit",
        "--fragment",
        "empty",
        "--metric",
        "rate",
        "--runs",
        "4",
    ]);
    let said = tool.says(0, &words);
    let found = said.lines().find(|line| line.starts_with("found: "));
    assert!(
        found.is_some_and(|line| line.ends_with("culprit")),
        "{said}"
    );
    for run in stored(dir) {
        assert_eq!(run.meta.runner.as_deref(), Some(&*runner));
    }
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
    tool.says(0, &["matrix", "run", "m.toml", "--store", "runs"]);
    let runs = stored(&host.file(""));
    let of = |name: &str| {
        let is = |run: &&StoredRun| run.meta.runner.as_deref() == Some(name);
        runs.iter().filter(is).count()
    };
    let places = ["srun -Q sh one.sh", "srun -Q sh two.sh"];
    assert_eq!(places.map(of), [4, 4]);
    let lab = ["--runner", "srun -Q sh qemu.sh", "--store", "runs"];
    let judge = ["judge", "--kernel", OLD, "--runs", "1"];
    let plan = ["--", "time=50ms", "work=PipeIo"];
    tool.says(0, &[&judge[..], &lab, &plan].concat());
}

/// A dispatcher of LAVA's whose device is a machine here.
#[test]
fn a_dispatcher_of_lava_is_a_runner() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let lava = cis::path(&[ci::tools::lava(false).unwrap()]);
    let command = || {
        let mut command = here(dir);
        command.env("PATH", &lava);
        command.env("PIDONE", env!("CARGO_BIN_EXE_xtask"));
        command
    };
    let tool = Tool { command: &command };
    let script = build::workspace().join("docs/runners/lava.sh");
    let device = cis::data("device.yaml");
    let of = |device: &Path| {
        format!("sh '{}' '{}'", script.display(), device.display())
    };
    let boot = |device: &Path, code: i32, plan: &str| {
        let runner = of(device);
        let words = ["boot", "--kernel", NEW, "--store", "runs"];
        let lab = ["--runner", &runner, "--"];
        let plan: Vec<&str> = plan.split_whitespace().collect();
        tool.says(code, &[&words[..], &lab, &plan].concat())
    };
    boot(&device, 0, "time=1s work=PipeIo");
    let [run] = &stored(dir)[..] else {
        panic!("not one run");
    };
    let of_lava = run.read().unwrap();
    assert_eq!(of_lava.report.lost_records, 0);
    assert!(run.dir.join("runner/job.yaml").is_file());
    // What has failed in a job may be the kernel's fault, and may be no
    // kernel's.
    boot(&device, 1, "time=1s work=PipeIo expect=wake.p50<1ns");
    let said = boot(&dir.join("none.yaml"), 125, "time=1s work=PipeIo");
    assert!(said.contains("failed with 2"), "{said}");
    assert!(said.contains("no device"), "{said}");
}

/// What is typed to U-Boot, as in `docs/ci.md`.
const TYPED: &str = "'wait=stop autoboot' send= 'wait==> ' \
    'send=setenv bootargs \"$PIDONE_CMDLINE\"' 'wait==> ' \
    'send=virtio scan; load virtio 0:1 ${kernel_addr_r} bzImage' 'wait==> ' \
    'send=load virtio 0:1 0x10000000 pidone.img' 'wait==> ' \
    'send=zboot ${kernel_addr_r} 0 0x10000000 ${filesize}'";

/// A board of QEMU's on a serial line.
#[test]
fn u_boot_is_typed_to() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let made = Command::new("mkfifo").arg(dir.join("power")).status();
    assert!(made.unwrap().success());
    fs::create_dir(dir.join("card")).unwrap();
    let on = "cp \"$PIDONE_KERNEL\" card/bzImage && \
        cp \"$PIDONE_INITRD\" card/pidone.img && echo on >power";
    script(&dir.join("on.sh"), on);
    script(&dir.join("off.sh"), "echo off >power");
    let (end, path) = line();
    let rom = ci::tools::boards(false).unwrap();
    let rom = rom.join("usr/lib/u-boot/qemu-x86/u-boot.rom");
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-no-reboot", "-display", "none"])
        .args(["-machine", "q35", "-cpu", "max", "-m", "512", "-bios"])
        .arg(rom)
        .args(["-drive", "file=fat:card,format=raw,if=virtio,readonly=on"])
        .args(["-chardev", "stdio,id=line,signal=off"])
        .args(["-serial", "chardev:line"])
        .stdin(end.try_clone().unwrap())
        .stdout(end)
        .current_dir(dir);
    let power = dir.join("power");
    let board = thread::spawn(move || {
        assert_eq!(fs::read_to_string(&power).unwrap(), "on\n");
        let mut board = qemu.spawn().unwrap();
        // It has no power management that the kernel knows.
        assert_eq!(fs::read_to_string(&power).unwrap(), "off\n");
        board.kill().unwrap();
        board.wait().unwrap();
    });
    let command = || here(dir);
    let tool = Tool { command: &command };
    let power = "'on=sh on.sh' 'off=sh off.sh'";
    let runner = format!("serial:{path} {power} {TYPED}");
    let words = ["boot", "--kernel", OLD, "--store", "runs", "--runner"];
    let plan = [&*runner, "--", "time=100ms", "work=PipeIo"];
    tool.says(0, &[&words[..], &plan].concat());
    board.join().unwrap();
}

/// What each CI boots of the cells of a matrix.
const SHARED: &str = r#"
[kernels]
old = { kernel = "@OLD@", url = "file://@OLD@" }
new = { kernel = "@NEW@", url = "file://@NEW@" }

[machines]
one = { boots = 5 }

[plans]
guards = "time=100ms work=RtStarvation"
"#;

/// What a comparison calls the other kernel's guard of fair tasks, which is of
/// another kind, however busy a host is.
#[track_caller]
fn called(said: &str) -> &str {
    let mut lines = said.lines().map(|line| line.split_whitespace());
    let guard = lines.find(|line| line.clone().next() == Some("guard"));
    let called = guard.expect(said).find(|word| word.starts_with("differs"));
    called.expect(said)
}

#[test]
fn jobs_of_three_cis_are_one_matrix_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let [old, new] = ["debian:6.1-cloud", NEW].map(|spec| {
        let image = kernel::resolve(spec, Some(&X86_64), false).unwrap();
        image.display().to_string()
    });
    let matrix = SHARED.replace("@OLD@", &old).replace("@NEW@", &new);
    fs::write(dir.join("m.toml"), matrix).unwrap();
    let command = || here(dir);
    let tool = Tool { command: &command };
    tool.says(0, &["pack", "--output", "pidone.cpio.gz"]);
    let ramdisk = dir.join("pidone.cpio.gz");
    let ramdisk = format!("file://{}", ramdisk.display());
    for (system, to) in [
        ("lava", "lava"),
        ("tuxrun", "tuxrun"),
        ("github", "github.yaml"),
    ] {
        let words = ["ci", system, "--matrix", "m.toml", "--output", to];
        tool.says(0, &[&words[..], &["--ramdisk", &ramdisk]].concat());
    }
    // Of five boots of each, two are LAVA's, two tuxrun's, and one is
    // GitHub's.
    for kernel in ["old", "new"] {
        let name = |boot: &str| format!("{kernel}-one-guards{boot}");
        for boot in ["", "-2"] {
            let job = dir.join("lava").join(name(boot) + ".yaml");
            let out = cis::lava(dir, &job, &[]);
            assert!(out.status.success(), "{}", text(&out));
            fs::write(dir.join(name(boot) + ".lava"), text(&out)).unwrap();
        }
        for boot in ["-3", "-4"] {
            let job = dir.join("tuxrun").join(name(boot) + ".sh");
            let out = cis::tuxrun(dir, &job);
            assert!(out.status.success(), "{}", text(&out));
        }
        let job = format!("{kernel}/one/guards, boot 5");
        let out = cis::action(dir, &["--workflow", "github.yaml", &job]);
        assert!(out.status.success(), "{}", text(&out));
    }
    let logs = |from: &str, end: &str| {
        let files = fs::read_dir(dir.join(from)).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let paths = paths.filter(|path| path.extension() == Some(end.as_ref()));
        let paths = paths.map(|path| path.display().to_string());
        paths.collect::<Vec<_>>()
    };
    let all = [logs("", "lava"), logs("tuxrun", "log"), logs("", "zip")];
    assert_eq!([4, 4, 2], all.each_ref().map(Vec::len));
    let all = all.concat();
    let words = ["import", "--name", "nightly", "--store", "cis"];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let said = tool.says(0, &[&words[..], &all].concat());
    assert!(said.contains("10 of them are cells"), "{said}");
    let words = ["matrix", "summary", "nightly", "--store", "cis"];
    let said = tool.says(0, &words);
    for kernel in ["old", "new"] {
        let row = [kernel, "one", "guards", "5", "5"];
        let is = |line: &str| line.split_whitespace().take(5).eq(row);
        assert!(said.lines().any(is), "{said}");
    }
    let words = ["matrix", "run", "m.toml", "--store", "runs"];
    tool.says(0, &words);
    let compared = |store: &str| {
        let sides = ["compare", "old/one/guards", "new/one/guards"];
        let guard = ["--metric", "guard", "--store", store];
        tool.ends(&[&sides[..], &guard].concat())
    };
    let (cis, here) = (compared("cis"), compared("runs"));
    assert_eq!(cis.0, here.0);
    assert_eq!(called(&cis.1), called(&here.1));
}
