//! Disks and network interfaces of a machine.
//!
//! Both are virtio devices, which every virtual machine's kernel knows.

use crate::size;
use anyhow::{Context, Result};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Disk {
    /// Writes go nowhere and zeros are read, with no work of the host.
    pub null: bool,
    /// Its size.
    pub mib: u32,
}

/// What its size is when `null-co` stands alone.
const NULL_MIB: u32 = 64;

impl FromStr for Disk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (null, size) = match text.strip_prefix("null-co") {
            Some("") => (true, None),
            Some(size) => (true, Some(size.strip_prefix(':').unwrap_or(""))),
            None => (false, Some(text)),
        };
        let mib = size.map_or(Ok(NULL_MIB), size::mebibytes).map_err(|_| {
            format!(
                "`{text}` is no disk; valid are a size such as 64M or 2G, \
                 null-co and null-co:64M"
            )
        })?;
        Ok(Self { null, mib })
    }
}

impl TryFrom<String> for Disk {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Disk> for String {
    fn from(disk: Disk) -> Self {
        disk.to_string()
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let null = if self.null { "null-co:" } else { "" };
        write!(f, "{null}{}M", self.mib)
    }
}

impl Disk {
    /// The file behind disk number `index`, if it has contents.
    #[must_use]
    pub fn file(self, index: usize, dir: &Path) -> Option<PathBuf> {
        (!self.null).then(|| dir.join(format!("disk{index}.img")))
    }

    /// Makes the file, with holes only.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn make(self, file: &Path) -> Result<()> {
        File::create(file)
            .and_then(|made| made.set_len(self.bytes()))
            .with_context(|| file.display().to_string())
    }

    fn bytes(self) -> u64 {
        u64::from(self.mib) << 20
    }

    /// QEMU's arguments for disk number `index`.
    #[must_use]
    pub fn args(self, index: usize, dir: &Path) -> [String; 4] {
        let mut device = format!("virtio-blk-pci,drive=disk{index}");
        let backing = match self.file(index, dir) {
            // Zeros make what is read independent of what was there.
            None => {
                let bytes = self.bytes();
                format!("driver=null-co,size={bytes},read-zeroes=on")
            }
            // A flush of the guest's that waited for the host's disk would
            // measure the host.
            Some(file) => {
                // An error of the host's is none for the machine to see.
                device += ",werror=stop,rerror=stop";
                let file = file.display().to_string().replace(',', ",,");
                format!(
                    "driver=raw,file.driver=file,file.filename={file},\
                     cache.no-flush=on"
                )
            }
        };
        [
            "-blockdev".to_owned(),
            format!("{backing},node-name=disk{index}"),
            "-device".to_owned(),
            device,
        ]
    }
}

/// Network interfaces that answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nic {
    /// Two on one hub: a frame that one sends arrives at the other.
    Pair,
    /// One with a gateway behind it, which answers ARP.
    User,
}

impl FromStr for Nic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pair" => Ok(Self::Pair),
            "user" => Ok(Self::User),
            _ => Err(format!(
                "`{text}` is no network; valid are pair (the default), two \
                 interfaces on one hub, and user, one with a gateway"
            )),
        }
    }
}

impl fmt::Display for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pair => "pair",
            Self::User => "user",
        })
    }
}

impl Nic {
    /// QEMU's arguments.
    #[must_use]
    pub fn args(self) -> &'static [&'static str] {
        match self {
            Self::Pair => &[
                "-netdev",
                "hubport,id=nic0,hubid=0",
                "-device",
                "virtio-net-pci,netdev=nic0,mac=52:54:00:00:00:01",
                "-netdev",
                "hubport,id=nic1,hubid=0",
                "-device",
                "virtio-net-pci,netdev=nic1,mac=52:54:00:00:00:02",
            ],
            Self::User => &[
                "-netdev",
                "user,id=nic0,restrict=on",
                "-device",
                "virtio-net-pci,netdev=nic0,mac=52:54:00:00:00:01",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Disk, Nic};

    #[test]
    fn disks_and_their_sizes() {
        for (text, shown) in [
            ("64M", "64M"),
            ("1G", "1024M"),
            ("null-co", "null-co:64M"),
            ("null-co:2G", "null-co:2048M"),
        ] {
            let disk: Disk = text.parse().unwrap();
            assert_eq!(disk.to_string(), shown);
            assert_eq!(shown.parse(), Ok(disk));
        }
        for bad in ["", "0", "abc", "null-co:", "null-co64M", "null-co:0"] {
            let error = bad.parse::<Disk>().unwrap_err();
            assert!(error.contains("valid are"), "{error}");
        }
    }

    #[test]
    fn a_disk_is_as_large_as_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Disk = "3M".parse().unwrap();
        let file = disk.file(1, dir.path()).unwrap();
        disk.make(&file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3 << 20);
        let args = disk.args(1, dir.path()).join(" ");
        assert!(args.contains("disk1.img"), "{args}");
    }

    #[test]
    fn networks() {
        assert_eq!("pair".parse(), Ok(Nic::Pair));
        assert!("tap".parse::<Nic>().unwrap_err().contains("valid are"));
    }
}
