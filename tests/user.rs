//! A user who has `pidonectl`, and neither a checkout nor a toolchain.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use xtask::{build, tools};

/// A user's home with `pidonectl` in it, and nothing else.
pub(crate) struct User {
    home: TempDir,
}

impl User {
    /// With this program.
    pub(crate) fn new(program: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("pidonectl");
        fs::write(&place, program).unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(place, mode).unwrap();
        Self { home }
    }

    /// A file of the home.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a line in which nobody sees the checkout or a toolchain.
    pub(crate) fn run(&self, line: &str) -> Output {
        let old = |name: &str| env::var_os(name).map(PathBuf::from);
        let below = |name: &str| Some(old("HOME")?.join(name));
        let hidden = [
            Some(build::workspace()),
            old("CARGO_HOME").or_else(|| below(".cargo")),
            old("RUSTUP_HOME").or_else(|| below(".rustup")),
        ];
        let hidden = hidden.iter().flatten().filter(|dir| dir.is_dir());
        let mut text = String::from("set -e\n");
        for dir in hidden {
            let dir = dir.display();
            text += &format!("mount -t tmpfs none '{dir}'\n");
        }
        text += "if command -v cargo rustc; then exit 99; fi\n";
        text += &format!("cd\nset +e\n{line}\n");
        let mut path = OsString::from("/usr/sbin:/usr/bin:/sbin:/bin:");
        // QEMU is what they have.
        path.push(tools::unpacked_dir().unwrap().join("bin"));
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", &text])
            .env("HOME", self.home.path())
            .env("PATH", path);
        for name in ["PIDONE_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    /// The same of what goes well.
    #[track_caller]
    pub(crate) fn says(&self, line: &str) -> String {
        let out = self.run(line);
        let errors = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{line}: {errors}");
        String::from_utf8(out.stdout).unwrap()
    }
}
