//! What came of a boot, from wherever it was kept: a log, a directory of
//! logs, a stored run, standard input.

use crate::decode::Boot;
use crate::finished::Meta;
use crate::interrupt;
use crate::store::{self, StoredRun};
use crate::usage::STDIN;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use initramfs::compress::Compression;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

/// What was kept of a boot.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The ports of the machine, the console first.
    pub ports: Vec<Vec<u8>>,
    /// What it was made of, if it is a stored run.
    pub meta: Option<Meta>,
}

impl Input {
    /// Reads a file, a directory, or for `-` standard input.
    ///
    /// # Errors
    ///
    /// It is not there, or cannot be read.
    pub fn read(name: &str) -> Result<Self> {
        let of_log = |log| Self {
            ports: vec![log],
            meta: None,
        };
        // The command line has it as a file.
        let stdin = ["-", STDIN].contains(&name);
        if stdin && std::io::stdin().is_terminal() {
            crate::tell!("a log is read from the terminal, up to Ctrl-D");
        }
        let path = Path::new(name);
        if !path.is_dir() {
            let path = if stdin { Path::new(STDIN) } else { path };
            let log = whole(path).with_context(|| name.to_owned())?;
            return unpacked(log).with_context(|| name.to_owned()).map(of_log);
        }
        let port = |name: &str| store::log(path, name);
        let ports = vec![port(store::CONSOLE)?, port(store::RECORDS)?];
        // Logs that `--logs` kept come without it.
        let meta = match path.join(store::META).exists() {
            true => Some(StoredRun::at(path)?.meta),
            false => None,
        };
        Ok(Self { ports, meta })
    }

    /// The machine was stopped because its time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.timed_out)
    }

    /// All that its ports said.
    #[must_use]
    pub fn ports(&self) -> Vec<&[u8]> {
        self.ports.iter().map(Vec::as_slice).collect()
    }
}

/// All of a file. A pipe or a terminal may never end, and a signal ends the
/// wait.
fn whole(path: &Path) -> Result<Vec<u8>> {
    let (sender, receiver) = channel();
    let path = path.to_path_buf();
    // Nobody waits for it any more after a signal.
    thread::spawn(move || sender.send(fs::read(path)).is_ok());
    loop {
        interrupt::check()?;
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {}
            read => return Ok(read??),
        }
    }
}

/// A log as it came off the console, if it was kept compressed.
///
/// # Errors
///
/// It is compressed and cannot be unpacked, or is an archive of several files.
fn unpacked(log: Vec<u8>) -> Result<Vec<u8>> {
    let log = decompressed(log)?;
    match packed(&log) {
        Some(form) => {
            bail!("this is {form}; unpack it first, or `import` it")
        }
        None => Ok(log),
    }
}

/// What was compressed, once or several times.
///
/// # Errors
///
/// It cannot be unpacked.
pub(crate) fn decompressed(mut log: Vec<u8>) -> Result<Vec<u8>> {
    while let Some(how) = Compression::detect(&log) {
        let (plain, used) = how
            .decompress(&log)
            .with_context(|| format!("a broken {} file", how.name()))?;
        // Compressed files may follow each other.
        let rest = log.split_off(used.min(log.len()));
        let more = match Compression::detect(&rest) {
            Some(_) => decompressed(rest)?,
            None => Vec::new(),
        };
        log = [plain, more].concat();
    }
    Ok(log)
}

/// The form of a file that is no text of a console.
pub(crate) fn packed(log: &[u8]) -> Option<&'static str> {
    match log.get(..4) {
        Some(b"PK\x03\x04") => Some("a zip archive"),
        Some([b'B', b'Z', b'h', b'1'..=b'9']) => Some("compressed with bzip2"),
        _ if log.get(257..262) == Some(b"ustar") => Some("a tar archive"),
        _ => None,
    }
}

/// The boot of that number, from 1, in a log.
///
/// # Errors
///
/// There is no such boot.
pub fn choose(boots: &[Boot], number: usize) -> Result<&Boot> {
    let at = number.checked_sub(1);
    match at.and_then(|at| boots.get(at)) {
        Some(boot) => Ok(boot),
        None => bail!("no such boot; the log has {}, from 1", boots.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::unpacked;
    use initramfs::compress::Compression;

    #[test]
    fn logs_are_unpacked_whatever_they_were_packed_with() {
        let log = b"[    0.000000] Linux version 6\n";
        for how in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let name = how.name();
            let packed = how.compress(log).unwrap();
            assert_eq!(unpacked(packed.clone()).unwrap(), log, "{name}");
            let twice = how.compress(&packed).unwrap();
            assert_eq!(unpacked(twice).unwrap(), log, "{name}");
            let two = [&packed[..], &packed].concat();
            assert_eq!(unpacked(two).unwrap(), [&log[..], log].concat());
            let cut = packed[..packed.len() / 2].to_vec();
            let error = unpacked(cut).unwrap_err().to_string();
            assert!(error.contains("a broken"), "{name}: {error}");
        }
        assert!(unpacked(b"PK\x03\x04rest".to_vec()).is_err());
        assert_eq!(unpacked(log.to_vec()).unwrap(), log);
    }
}
