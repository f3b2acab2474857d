//! Hosts of a lab that are this one: each with a name and a user of its own,
//! in namespaces, so that what is started there changes nothing here and needs
//! no root. One is behind a server of ssh's on the loopback address.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;
use xtask::{build, ci, tools};

/// The number of the user that there is.
const USER: &str = "54321";

/// Gives a host its name and its user, and becomes him.
const ENTER: &str = "mount --bind passwd /etc/passwd && hostname lab && \
    exec unshare --map-user=\"$0\" --map-group=\"$0\" \
    setpriv --pdeathsig KILL \"$@\"";

/// A host, and the programs that serve there.
pub(crate) struct Host {
    dir: TempDir,
    servers: Vec<Server>,
}

/// A program that serves us; ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut accounts = fs::read_to_string("/etc/passwd").unwrap();
        let home = dir.path().display();
        accounts += &format!("lab:x:{USER}:{USER}::{home}:/bin/sh\n");
        fs::write(dir.path().join("passwd"), accounts).unwrap();
        Self {
            dir,
            servers: Vec::new(),
        }
    }

    /// A file of its user's, whose home is at the same place here.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that its user starts, at home.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--uts", "sh", "-c"]);
        command.args([ENTER, USER]).arg(program);
        command.current_dir(self.dir.path());
        command
    }

    /// Starts what serves there, and waits until it says that it does.
    pub(crate) fn serve(&mut self, command: &mut Command, up: &str) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        self.servers.push(Server(child));
        let mut said = said.lines().map(Result::unwrap);
        let mut all = String::new();
        let found = said.any(|line| {
            all += &line;
            all += "\n";
            line.contains(up)
        });
        assert!(found, "{command:?} does not come up: {all}");
        // It would wait for a reader.
        thread::spawn(move || said.for_each(drop));
    }

    /// One that a client of ssh's reaches by any name, with this as
    /// `PIDONE_SSH`. Its temporary files are in `tmp`.
    pub(crate) fn behind_ssh() -> (Self, String) {
        let root = ci::tools::sshd(false).unwrap();
        let mut host = Self::new();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(host.file(key))
                .status();
            assert!(made.unwrap().success());
        }
        let (home, port) = (host.dir.path().display().to_string(), port());
        let path = tools::path().unwrap().into_string().unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nPidFile none\n\
             HostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\n\
             StrictModes no\nPasswordAuthentication no\n\
             SetEnv TMPDIR={home}/tmp \"PATH={path}\"\n"
        );
        fs::create_dir(host.file("tmp")).unwrap();
        fs::write(host.file("sshd_config"), config).unwrap();
        let config = format!(
            "Host *\nHostName 127.0.0.1\nPort {port}\nUser lab\n\
             IdentityFile {home}/user\nIdentitiesOnly yes\nBatchMode yes\n\
             UserKnownHostsFile {home}/known\nLogLevel ERROR\n"
        );
        fs::write(host.file("ssh_config"), config).unwrap();
        let key = fs::read_to_string(host.file("host.pub")).unwrap();
        let known = format!("[127.0.0.1]:{port} {key}");
        fs::write(host.file("known"), known).unwrap();
        let mut sshd = host.command(&root.join("usr/sbin/sshd"));
        sshd.args(["-D", "-e", "-f"]).arg(host.file("sshd_config"));
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        sshd.env("LD_LIBRARY_PATH", libraries);
        host.serve(&mut sshd, "Server listening");
        (host, format!("ssh -F {home}/ssh_config"))
    }
}

/// What QEMU makes a machine of whose figures hardly depend on how busy this
/// host is.
pub(crate) const STEADY: &str = "-smp 1 -icount shift=0,sleep=off";

/// A port that nobody has.
pub(crate) fn port() -> u16 {
    let any = TcpListener::bind("127.0.0.1:0").unwrap();
    any.local_addr().unwrap().port()
}

/// A serial line: the board's end of it, and the path of ours.
pub(crate) fn line() -> (File, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let board = openpt(flags).unwrap();
    grantpt(&board).unwrap();
    unlockpt(&board).unwrap();
    let path = ptsname(&board, Vec::new()).unwrap();
    (board.into(), path.into_string().unwrap())
}

/// A script of `docs/runners` as a runner, which takes its turn among
/// machines.
pub(crate) fn shipped(name: &str) -> String {
    let script = build::workspace().join("docs/runners").join(name);
    let script = script.display().to_string();
    match std::env::var(xtask::qemu::TURNS) {
        Ok(turns) => format!("flock '{turns}' sh '{script}'"),
        Err(_) => format!("sh '{script}'"),
    }
}

/// The runner `ssh.sh` with this client, in front of a host and QEMU's options.
pub(crate) fn over_ssh(ssh: &str) -> String {
    format!("env 'PIDONE_SSH={ssh}' {}", shipped("ssh.sh"))
}
