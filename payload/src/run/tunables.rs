//! `sched_features=`, `sched.FILE=` and `sysctl.NAME=`: set before a run, read
//! back, and restored behind it.
//!
//! Nothing of a kernel is guessed: a name is looked for where it would be, and
//! what was set is believed when it is read. A run that cannot have what it
//! asks for is skipped, since its figures would be of another kernel.

use crate::kit::mounts::{DEBUGFS, mount_kind};
use crate::kit::shm::Scratch;
use crate::kit::text::{Cut, exists, read_file, try_read, write_file};
use crate::plan::nearest;
use crate::plan::tunables::{self as plan, MAX_TUNABLES, Tunable};
use crate::run::findings::Findings;
use crate::run::output::Output;
use crate::wire::record::{self, Record, Verdict};
use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::str::from_utf8;
use heapless::String;
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::{self, Errno};

/// Longest text of a file, and one byte more.
const TEXT: usize = 1024;
/// Where the scheduler's files are.
const SCHED: &str = "/sys/kernel/debug/sched";
const SYSCTL: &str = "/proc/sys";

/// What a run has set of the kernel; restored when dropped.
#[derive(Debug)]
pub struct Tunables<'r> {
    all: &'r [Tunable<'r>],
    /// How many of them were read, and perhaps set.
    set: usize,
    /// What each of these was before, in cells of their own.
    before: Option<Scratch>,
}

impl<'r> Tunables<'r> {
    /// Sets them in order. The first that cannot be had skips the run.
    pub fn set(
        all: &'r plan::Tunables<'r>,
        number: u16,
        pid1: bool,
        findings: &mut Findings,
        out: &mut Output<'_>,
    ) -> Self {
        let mut it = Self {
            all,
            set: 0,
            before: None,
        };
        if all.is_empty() {
            return it;
        }
        // A plain process finds it where it is, and mounts nothing.
        let mounted = match pid1 {
            true => mount_kind(c"debugfs", DEBUGFS).err(),
            false => Some(Errno::PERM),
        };
        it.before = Scratch::new(TEXT * MAX_TUNABLES);
        for tunable in all {
            let errno = match it.add(tunable, number, out) {
                Ok(true) => continue,
                Ok(false) => {
                    let Tunable { key, value } = tunable;
                    let reason = format_args!("READ_BACK:{key}={value}");
                    findings.add(Verdict::Degraded, reason);
                    continue;
                }
                Err(errno) => errno,
            };
            let mut text: String<256> = String::new();
            let _cut = why(tunable, errno, mounted, &mut Cut(&mut text));
            findings.add(Verdict::Skip, format_args!("{text}"));
            break;
        }
        it
    }

    /// Sets one; whether it then is what was asked for.
    fn add(
        &mut self,
        tunable: &Tunable<'_>,
        number: u16,
        out: &mut Output<'_>,
    ) -> io::Result<bool> {
        let file = file(tunable);
        let room = self.before.as_mut().ok_or(Errno::NOMEM)?.bytes();
        let cell = room.chunks_exact_mut(TEXT).nth(self.set);
        let before = text(&file, cell.ok_or(Errno::NOBUFS)?)?;
        self.set += 1;
        match tunable.features() {
            Some(names) => {
                for name in names {
                    // To which the kernel says EINVAL, whatever is wrong.
                    known(before, name).then_some(()).ok_or(Errno::NOENT)?;
                    write_file(&file, name)?;
                }
            }
            None => write_file(&file, tunable.value)?,
        }
        let mut buf = [0; TEXT];
        let value = text(&file, &mut buf)?;
        out.record(&Record::Tunable(record::Tunable {
            run: number,
            name: tunable.key,
            before: before.trim_ascii(),
            value: value.trim_ascii(),
        }));
        Ok(match tunable.features() {
            Some(mut names) => {
                names.all(|name| words(value).any(|it| it == name))
            }
            None => words(chosen(value)).eq(words(tunable.value)),
        })
    }

    /// Brings back what was there before, the last first. It may be done
    /// again, for what changed them in between.
    pub fn restore(&self, findings: &mut Findings) {
        let Some(room) = &self.before else {
            return;
        };
        // Not `zip` and `rev`, whose assertion prints numbers in every form.
        for at in (0..self.set).rev() {
            let cell = room.read().chunks_exact(TEXT).nth(at);
            let (Some(tunable), Some(cell)) = (self.all.get(at), cell) else {
                return;
            };
            let len = cell.iter().position(|&byte| byte == 0).unwrap_or(0);
            let before = from_utf8(cell.get(..len).unwrap_or(&[]));
            if !put_back(tunable, before.unwrap_or("")) {
                let reason = format_args!("NOT_RESTORED:{}", tunable.key);
                findings.add(Verdict::Degraded, reason);
            }
        }
    }
}

impl Drop for Tunables<'_> {
    fn drop(&mut self) {
        // A type that changes one takes that back when its run is over, and
        // what it brings back is what it found, which was ours.
        self.restore(&mut Findings {
            verdict: Verdict::Ok,
            reasons: String::new(),
        });
    }
}

/// Whether one is what it was.
fn put_back(tunable: &Tunable<'_>, before: &str) -> bool {
    let file = file(tunable);
    if let Some(names) = tunable.features() {
        for name in names {
            let was = |it: &&str| plain(it) == plain(name);
            if let Some(was) = words(before).find(was) {
                // Reading it tells whether it was taken.
                let _taken = write_file(&file, was);
            }
        }
    } else {
        // Writing no byte does nothing.
        let text = if before.is_empty() { "\n" } else { before };
        let _taken = write_file(&file, chosen(text));
    }
    text(&file, &mut [0; TEXT]) == Ok(before)
}

/// The file that one is.
fn file(tunable: &Tunable<'_>) -> String<96> {
    let (root, names) = match tunable.key.split_once('.') {
        Some(("sysctl", names)) => (SYSCTL, names),
        Some((_, names)) => (SCHED, names),
        None => (SCHED, "features"),
    };
    let mut file = String::new();
    // One that does not fit is not found.
    let _fits = file.push_str(root);
    for name in names.split('.') {
        let _fits = write!(file, "/{name}");
    }
    file
}

/// All of a file.
fn text<'b>(file: &str, buf: &'b mut [u8]) -> io::Result<&'b str> {
    let size = buf.len();
    let bytes = try_read(file, buf)?;
    let whole = bytes.len() < size;
    let text = from_utf8(bytes).ok().filter(|_| whole);
    text.ok_or(Errno::TOOBIG)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
}

/// Of a file that lists what it may be, what it is: `none (full) lazy`.
fn chosen(text: &str) -> &str {
    words(text)
        .find_map(|word| word.strip_prefix('(')?.strip_suffix(')'))
        .unwrap_or(text)
}

/// The feature that a word turns on or off.
fn plain(word: &str) -> &str {
    word.strip_prefix("NO_").unwrap_or(word)
}

/// Whether the kernel has a feature.
fn known(features: &str, name: &str) -> bool {
    words(features).any(|it| plain(it) == plain(name))
}

/// Says why one cannot be set.
fn why(
    tunable: &Tunable<'_>,
    errno: Errno,
    mounted: Option<Errno>,
    to: &mut dyn Write,
) -> fmt::Result {
    let Tunable { key, value } = *tunable;
    match errno {
        Errno::NOENT => {}
        Errno::ACCESS | Errno::PERM => return write!(to, "NO_CAP:{key}"),
        _ => {
            let errno = errno.raw_os_error();
            return write!(to, "NOT_SET({key}={value}, {errno})");
        }
    }
    let file = file(tunable);
    let mut buf = [0; TEXT];
    if let Some(mut names) = tunable.features()
        && let Some(all) = read_file(&file, &mut buf)
    {
        let name = names.find(|name| !known(all, name)).unwrap_or("");
        write!(to, "NO_FEATURE:{name}")?;
        let all =
            |take: &mut dyn FnMut(_)| words(all).map(plain).for_each(take);
        return near(plain(name), "", &all, to);
    }
    let (root, config) = match key.starts_with("sysctl") {
        true => (SYSCTL, "CONFIG_SYSCTL"),
        false => match mounted {
            Some(Errno::NOENT | Errno::NODEV) => (SCHED, "CONFIG_DEBUG_FS"),
            Some(Errno::PERM) => (SCHED, ""),
            _ => (SCHED, "CONFIG_SCHED_DEBUG"),
        },
    };
    if !exists(root) {
        return match config {
            "" => write!(to, "NO_DEBUGFS: there is no {root}"),
            config => write!(to, "NO_CONFIG:{config}"),
        };
    }
    write!(to, "NO_TUNABLE:{key}")?;
    // The first part of the path that is not there has a nearest name.
    let mut at = root.len();
    let mut parts = file.get(at + 1..).unwrap_or("").split('/');
    let dir = |at| file.get(..at).unwrap_or("");
    let name = loop {
        let name = parts.next().unwrap_or("");
        if name.is_empty() || !exists(dir(at + 1 + name.len())) {
            break name;
        }
        at += 1 + name.len();
    };
    let mut all: String<8192> = String::new();
    list(dir(at), &mut all);
    let before = key.len() - (file.len() - at);
    let before = key.get(..before).unwrap_or("");
    near(name, before, &|take| all.lines().for_each(take), to)
}

/// Writes which name was meant, if that can be told, behind those in front of
/// it.
fn near(
    name: &str,
    before: &str,
    all: nearest::Names<'_, '_>,
    to: &mut dyn Write,
) -> fmt::Result {
    let Some(near) = nearest::of(name, all) else {
        return Ok(());
    };
    let dot = if before.is_empty() { "" } else { "." };
    write!(to, "; nearest is {before}{dot}{near}")
}

/// The names in a directory, a line each.
fn list(dir: &str, to: &mut String<8192>) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = openat(CWD, dir, flags, Mode::empty()) else {
        return;
    };
    let mut buf = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(dir, &mut buf);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_str().unwrap_or("");
        // What has no room is no nearest name.
        let _cut = writeln!(Cut(to), "{name}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Tunables, chosen, file, known, why};
    use crate::plan::tunables::{self as plan, Tunable};
    use crate::run::findings::Findings;
    use crate::run::output::Output;
    use crate::wire::record::Verdict;
    use heapless::String;
    use rustix::io::Errno;

    fn of<'t>(key: &'t str, value: &'t str) -> Tunable<'t> {
        Tunable { key, value }
    }

    #[test]
    fn keys_are_files() {
        let debug = "/sys/kernel/debug/sched";
        for (key, at) in [
            ("sched_features", "features"),
            ("sched.base_slice_ns", "base_slice_ns"),
            ("sched.fair_server.cpu0.runtime", "fair_server/cpu0/runtime"),
        ] {
            assert_eq!(*file(&of(key, "")), std::format!("{debug}/{at}"));
        }
        let sysctl = file(&of("sysctl.net.core.somaxconn", ""));
        assert_eq!(sysctl, "/proc/sys/net/core/somaxconn");
    }

    #[test]
    fn a_list_of_choices_is_the_one_that_was_chosen() {
        assert_eq!(chosen("none voluntary (full) lazy \n"), "full");
        assert_eq!(chosen("3000000\n"), "3000000\n");
        assert!(known("A NO_B NO_C\n", "NO_A") && known("NO_B", "B"));
        assert!(!known("A_B", "A") && !known("", "A"));
    }

    #[test]
    fn what_is_not_there_has_a_nearest_name() {
        // No sysctl that a kernel without others could lack.
        for (key, said) in [
            ("sysctl.kernel.ostipe", "nearest is sysctl.kernel.ostype"),
            ("sysctl.kernl.ostype", "nearest is sysctl.kernel"),
        ] {
            let mut all = plan::Tunables::new();
            all.push(of(key, "1")).unwrap();
            let mut findings = Findings {
                verdict: Verdict::Ok,
                reasons: String::new(),
            };
            let mut log = [0; 64];
            let mut out = Output::keeping(&mut log);
            Tunables::set(&all, 0, false, &mut findings, &mut out);
            assert_eq!(findings.verdict, Verdict::Skip);
            let reason = std::format!("NO_TUNABLE:{key}; {said}\n");
            assert_eq!(*findings.reasons, reason);
        }
    }

    #[test]
    fn who_may_not_set_it_is_told_so() {
        let tunable = of("sched.base_slice_ns", "1");
        for (errno, said) in [
            (Errno::ACCESS, "NO_CAP:sched.base_slice_ns"),
            (Errno::PERM, "NO_CAP:sched.base_slice_ns"),
            (Errno::INVAL, "NOT_SET(sched.base_slice_ns=1, 22)"),
        ] {
            let mut text: String<256> = String::new();
            why(&tunable, errno, None, &mut text).unwrap();
            assert_eq!(text, said);
        }
    }
}
