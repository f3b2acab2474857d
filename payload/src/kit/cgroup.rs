//! Cgroups: where they can be made, and how.
//!
//! PID 1 has the whole hierarchy, so it makes cgroups in the root and turns
//! controllers on there. A plain process is a guest: it makes cgroups only
//! where it may write, under names nobody else uses, takes the controllers
//! that are already on, and changes no file that it did not make.

use crate::kit::clock::{MILLISECOND, now, sleep_until};
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::{Cut, read_file, write_file};
use core::fmt::Write;
use heapless::String;
use rustix::fd::OwnedFd;
use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, accessat, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::getpid;

/// A path in the hierarchy.
pub type Path = String<384>;

/// How long a cgroup that is left may still hold dying tasks.
const LEAVE_NS: u64 = 1_000 * MILLISECOND;

/// A cgroup that PID 1 never removes; the grammar has no such name.
///
/// With the last cpuset the kernel switches `cpusets_enabled_key` off, which
/// patches its page allocator on all CPUs, some time after the directory is
/// gone: in the middle of the next run. Under QEMU's TCG a CPU may even meet
/// the breakpoint of such a patch when it is over, and the kernel dies of it.
const KEPT: &str = ".kept";

/// A cgroup in which others can be made.
#[derive(Debug)]
pub struct Base {
    dir: Path,
    /// What names in it start with.
    prefix: String<24>,
    /// Nobody else's, so that controllers can be turned on.
    ours: bool,
}

/// The mount point of the cgroup2 hierarchy.
fn mount() -> Option<Path> {
    let mut buf = [0; 16 * 1024];
    let mounts = read_file("/proc/self/mounts", &mut buf)?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (dir, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| dir.try_into().ok())?
    })
}

/// The directory of the calling task's own cgroup.
#[must_use]
pub fn own() -> Option<Path> {
    let mut buf = [0; 1024];
    let own = read_file("/proc/thread-self/cgroup", &mut buf)?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut dir = mount()?;
    dir.push_str(own.strip_suffix('/').unwrap_or(own)).ok()?;
    Some(dir)
}

/// Whether a controller exists in this kernel, in any hierarchy.
#[must_use]
pub fn exists(controller: &str) -> bool {
    let mut buf = [0; 2048];
    let in_v1 = read_file("/proc/cgroups", &mut buf).is_some_and(|text| {
        let mut names = text.lines().filter_map(|line| line.split('\t').next());
        names.any(|name| name == controller)
    });
    in_v1
        || mount().is_some_and(|dir| {
            has_word(&file(&dir, "cgroup.controllers"), controller)
        })
}

/// A file in the directory of a cgroup.
#[must_use]
pub fn file(dir: &str, name: &str) -> Path {
    let mut path = Path::new();
    // One that is cut is not found.
    let _cut = write!(Cut(&mut path), "{dir}/{name}");
    path
}

fn has_word(file: &str, word: &str) -> bool {
    let mut buf = [0; 256];
    read_file(file, &mut buf).is_some_and(|text| {
        text.split_ascii_whitespace().any(|found| found == word)
    })
}

impl Base {
    /// Where this process can make cgroups, if anywhere.
    #[must_use]
    pub fn find() -> Option<Self> {
        let mut prefix = String::new();
        let ours = getpid().is_init();
        let dir = match ours {
            true => mount()?,
            false => {
                let pid = getpid().as_raw_nonzero();
                let _fits = write!(Cut(&mut prefix), "pidone-{pid}-");
                own()?
            }
        };
        let writable = accessat(
            CWD,
            dir.as_str(),
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::empty(),
        );
        writable.is_ok().then_some(Self { dir, prefix, ours })
    }

    /// Whether cgroups made here can have this controller.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        let list = match self.ours {
            true => "cgroup.controllers",
            false => "cgroup.subtree_control",
        };
        has_word(&file(&self.dir, list), controller)
    }

    /// Turns a controller on for the cgroups made here.
    ///
    /// # Errors
    ///
    /// What the write said.
    pub fn enable(&self, controller: &str) -> Result<(), Errno> {
        let control = file(&self.dir, "cgroup.subtree_control");
        if !self.ours || has_word(&control, controller) {
            return Ok(());
        }
        let mut word: String<16> = String::new();
        let _fits = write!(Cut(&mut word), "+{controller}");
        write_file(&control, &word)
    }

    /// The directory of a cgroup below this one.
    #[must_use]
    pub fn path(&self, name: &str) -> Path {
        let mut path = Path::new();
        let (dir, prefix) = (&self.dir, &self.prefix);
        let _cut = write!(Cut(&mut path), "{dir}/{prefix}{name}");
        path
    }

    /// Makes a cgroup with the controllers there are. Whether it is new.
    ///
    /// # Errors
    ///
    /// What `mkdir` or the write said.
    pub fn make(&self, name: &str) -> Result<bool, Stop> {
        for controller in ["cpu", "cpuset"] {
            if self.has(controller) {
                self.enable(controller).call(&"cgroup.subtree_control")?;
            }
        }
        if self.ours {
            self.mkdir(KEPT)?;
        }
        self.mkdir(name)
    }

    fn mkdir(&self, name: &str) -> Result<bool, Stop> {
        let mode = Mode::from_raw_mode(0o755);
        match mkdirat(CWD, self.path(name).as_str(), mode) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno).call(&"mkdir"),
        }
    }

    /// Removes it, and kills what should have left it by then.
    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        let deadline = now() + LEAVE_NS;
        while unlinkat(CWD, path.as_str(), AtFlags::REMOVEDIR)
            == Err(Errno::BUSY)
            && now() < deadline
        {
            // Absent before 5.14.
            let _absent = write_file(&file(&path, "cgroup.kill"), "1");
            let _again = sleep_until(now() + MILLISECOND);
        }
    }
}

/// Opens a file in the directory of a cgroup to write into it.
///
/// # Errors
///
/// `ENOENT`, `EACCES`.
pub fn open(dir: &str, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    openat(CWD, file(dir, name).as_str(), flags, Mode::empty())
}

/// Opens a file in the directory of a cgroup to read it.
///
/// # Errors
///
/// `ENOENT`, `EACCES`.
pub fn open_read(dir: &str, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(CWD, file(dir, name).as_str(), flags, Mode::empty())
}
