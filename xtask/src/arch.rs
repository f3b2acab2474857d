//! Architectures: what each is called, and what its machine is made of.

use crate::decode::splice::find;
use crate::tools::Tool;
use anyhow::{Context, Result, bail};
use core::str::FromStr;
use initramfs::compress::Compression;
use pidone::sys::mark::Mark;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// An architecture that the payload is built for.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// As Rust, `uname` and our own files call it.
    pub name: &'static str,
    /// As Debian calls it, which may be given as well.
    pub debian: &'static str,
    /// `ARCH` of the kernel's build, and the name of our fragment; it may be
    /// given as well.
    pub kernel: &'static str,
    /// Its directory under `arch/` of the kernel.
    pub srcarch: &'static str,
    /// The kernel's image: make's target and its place.
    pub image: (&'static str, &'static str),
    /// A mark in such an image, and where it is.
    magic: (usize, &'static [u8; 4]),
    /// What an EFI program has for it in its header.
    efi: u16,
    /// The same of an ELF file.
    elf: u16,
    /// The payload's target.
    pub target: &'static str,
    /// The host's own target, which builds the same payload where the other
    /// cannot be had.
    pub fallback: &'static str,
    /// The kernel that is booted unless another is asked for.
    pub default_kernel: &'static str,
    /// What its compiler is told beside what all are.
    pub rustflags: &'static [&'static str],
    /// Bytes the payload's image has at most, with zstd.
    pub image_budget: usize,
    /// The virtual machine's program.
    pub qemu: Tool,
    /// Its board.
    pub machine: &'static str,
    /// The most CPUs of that board.
    pub cpus: u32,
    /// Properties of its CPU without KVM.
    pub cpu: &'static str,
    /// Those of a deterministic machine: the guest's random numbers must come
    /// from the seed alone.
    pub deterministic: &'static str,
    /// Those of a machine that is spelled out; none where the board has one
    /// last-level cache, whatever its CPUs are.
    pub spelled: Option<&'static str>,
    /// The serial port that is the console, as its kernel calls it.
    pub console: &'static str,
    /// The second serial port, which carries the records.
    pub records: &'static str,
    /// The device behind that, where the board has no second port.
    pub second: Option<&'static str>,
    /// The instructions that begin and end a measured window.
    pub marks: [&'static [u8]; 2],
}

/// The kernel that is booted unless another is asked for, wherever Debian has a
/// flavour for virtual machines.
pub const KERNEL: &str = "debian:6.12-cloud";

/// The first.
pub static X86_64: Arch = Arch {
    name: "x86_64",
    debian: "amd64",
    kernel: "x86_64",
    srcarch: "x86",
    image: ("bzImage", "arch/x86/boot/bzImage"),
    magic: (0x202, b"HdrS"),
    efi: 0x8664,
    elf: 62,
    target: "x86_64-unknown-linux-musl",
    fallback: "x86_64-unknown-linux-gnu",
    default_kernel: KERNEL,
    rustflags: &[],
    image_budget: 150_000,
    qemu: Tool::new(
        "qemu-system-x86_64",
        [
            "qemu-system-x86",
            "qemu-system-x86-core",
            "qemu-system-x86",
            "qemu-x86",
        ],
    ),
    machine: "q35",
    // Beyond, interrupts need a unit that the board has not.
    cpus: 255,
    cpu: "max",
    deterministic: ",rdrand=off,rdseed=off",
    // A last-level cache in each part of a socket: see `topology`.
    spelled: Some(",vendor=GenuineIntel"),
    console: "ttyS0",
    records: "ttyS1",
    second: None,
    marks: [&Mark::Begin.x86_64(), &Mark::End.x86_64()],
};

/// The other.
pub static AARCH64: Arch = Arch {
    name: "aarch64",
    debian: "arm64",
    kernel: "arm64",
    srcarch: "arm64",
    image: ("Image", "arch/arm64/boot/Image"),
    magic: (0x38, b"ARM\x64"),
    efi: 0xaa64,
    elf: 183,
    target: "aarch64-unknown-linux-musl",
    fallback: "aarch64-unknown-linux-gnu",
    default_kernel: KERNEL,
    // Atomic operations in place: the functions that would choose between two
    // kinds need a C library. The payload is far smaller than the megabyte
    // that one instruction's address reaches. No calls that the source does
    // not have: parts of functions that are alike stay where they are, which
    // packs better, too. rustc warns of the feature in every build; its other
    // warnings are those of the first architecture.
    rustflags: &[
        "-Ctarget-feature=-outline-atomics",
        "-Ccode-model=tiny",
        "-Cllvm-args=-enable-machine-outliner=never",
        "-Awarnings",
    ],
    image_budget: 150_000,
    qemu: Tool::new(
        "qemu-system-aarch64",
        [
            "qemu-system-arm",
            "qemu-system-aarch64-core",
            "qemu-system-aarch64",
            "qemu-arm",
        ],
    ),
    // The older interrupt controller is for 8 CPUs at most.
    machine: "virt,gic-version=max",
    cpus: 512,
    // Signed pointers, which a kernel has in every function, cost QEMU half
    // of its time unless their signature is one of its own.
    cpu: "max,pauth-impdef=on",
    // RNDR draws from QEMU's own numbers, which the seed is of.
    deterministic: "",
    spelled: None,
    console: "ttyAMA0",
    records: "ttyS0",
    second: Some("pci-serial"),
    marks: [&Mark::Begin.aarch64(), &Mark::End.aarch64()],
};

/// The third.
pub static RISCV64: Arch = Arch {
    name: "riscv64",
    debian: "riscv64",
    kernel: "riscv",
    srcarch: "riscv",
    image: ("Image", "arch/riscv/boot/Image"),
    magic: (0x38, b"RSC\x05"),
    efi: 0x5064,
    elf: 243,
    // The library of the other kind, with musl, is not among what Rust's
    // project builds for all.
    target: "riscv64gc-unknown-linux-gnu",
    fallback: "riscv64gc-unknown-linux-gnu",
    default_kernel: "debian:sid",
    // See arm64's.
    rustflags: &["-Cllvm-args=-enable-machine-outliner=never"],
    // Addresses take two instructions, and no two of them are alike.
    image_budget: 160_000,
    qemu: Tool::new(
        "qemu-system-riscv64",
        [
            "qemu-system-misc",
            "qemu-system-riscv-core",
            "qemu-system-riscv",
            "qemu-extra",
        ],
    ),
    machine: "virt",
    cpus: 512,
    cpu: "rv64,v=true,vlen=512,elen=64",
    // It has no instruction for random numbers.
    deterministic: "",
    spelled: None,
    console: "ttyS0",
    records: "ttyS1",
    second: Some("pci-serial"),
    marks: [&Mark::Begin.riscv64(), &Mark::End.riscv64()],
};

/// All of them.
pub static ALL: [&Arch; 3] = [&X86_64, &AARCH64, &RISCV64];

/// Their names, for a reader.
#[must_use]
pub fn names() -> String {
    let [rest @ .., last] = ALL.map(|arch| arch.name);
    format!("{} and {last}", rest.join(", "))
}

/// Bytes of an image that are read to know its architecture.
const HEAD: usize = 0x1000;

impl Arch {
    /// The host's; the first where that is none of ours.
    #[must_use]
    pub fn host() -> &'static Self {
        let host = ALL.iter().find(|arch| arch.is_host());
        host.copied().unwrap_or(ALL[0])
    }

    /// Whether this is the host's.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.name == std::env::consts::ARCH
    }

    /// Whether a program of ours for its hosts can be static: Rust brings
    /// musl's C library for it.
    #[must_use]
    pub fn has_static_programs(&self) -> bool {
        self.target.ends_with("-musl")
    }

    /// That of a kernel's image, if it says so.
    #[must_use]
    pub fn of_image(image: &[u8]) -> Option<&'static Self> {
        let efi = efi(image);
        let is = |arch: &&&'static Self| {
            let (at, magic) = arch.magic;
            image.get(at..at + magic.len()) == Some(magic)
                || efi == Some(arch.efi)
        };
        ALL.iter().find(is).copied()
    }

    /// That of an ELF file, if it is one of ours.
    #[must_use]
    pub fn of_elf(file: &[u8]) -> Option<&'static Self> {
        let header = file.strip_prefix(b"\x7fELF")?;
        let machine = u16::from_le_bytes(*header.get(14..)?.first_chunk()?);
        ALL.iter().find(|arch| arch.elf == machine).copied()
    }

    /// That of a kernel's image in a file, which may be compressed, if it is
    /// one.
    fn of_file(path: &Path) -> Result<Option<&'static Self>> {
        let what = || path.display().to_string();
        let mut head = Vec::new();
        let file = File::open(path).with_context(what)?;
        let most = u64::try_from(HEAD)?;
        file.take(most).read_to_end(&mut head).with_context(what)?;
        if Compression::detect(&head) == Some(Compression::Gzip) {
            let whole = fs::read(path).with_context(what)?;
            let whole = Compression::Gzip.decompress(&whole);
            head = whole.with_context(what)?.0;
        }
        Ok(Self::of_image(&head).or_else(|| Self::of_elf(&head)))
    }

    /// The architecture of a kernel's image: the one that was asked for, or
    /// else its own, or the host's for an image that does not say.
    ///
    /// # Errors
    ///
    /// It is for another one, or cannot be read.
    pub fn for_image(
        asked: Option<&'static Self>,
        path: &Path,
    ) -> Result<&'static Self> {
        match (asked, Self::of_file(path)?) {
            (Some(asked), Some(own)) if asked != own => bail!(
                "{} is a kernel for {}, and --arch is {}",
                path.display(),
                own.name,
                asked.name
            ),
            (asked, own) => Ok(asked.or(own).unwrap_or_else(Self::host)),
        }
    }
}

/// Refuses a file that is no kernel's image.
///
/// # Errors
///
/// It is none, or cannot be read.
pub fn require_image(path: &Path) -> Result<()> {
    match Arch::of_file(path)? {
        Some(_) if !starts(&fs::read(path)?) => bail!(
            "{} is an ELF file, as vmlinux is, without the note by which QEMU \
             starts one; give the image that a bootloader takes: \
             arch/x86/boot/bzImage or arch/arm64/boot/Image of the same build",
            path.display()
        ),
        Some(_) => Ok(()),
        None => bail!(
            "{} is {}; a kernel is a bzImage, an Image of arm64 or riscv, or \
             an EFI or ELF file for {}",
            path.display(),
            match fs::metadata(path)?.len() {
                0 => "an empty file",
                _ => "no kernel image",
            },
            names()
        ),
    }
}

/// Whether QEMU starts it: of ELF files only those with Xen's note that says
/// where (`XEN_ELFNOTE_PHYS32_ENTRY`, `CONFIG_PVH`).
fn starts(image: &[u8]) -> bool {
    // Lengths of name and value, the type, the name.
    let has = |len: u8| {
        let note = [4, 0, 0, 0, len, 0, 0, 0, 18, 0, 0, 0];
        find(image, &[&note[..], b"Xen\0"].concat()).is_some()
    };
    !image.starts_with(b"\x7fELF") || has(4) || has(8)
}

/// The architecture in the header of an EFI program.
fn efi(image: &[u8]) -> Option<u16> {
    let at = u32::from_le_bytes(*image.get(0x3c..)?.first_chunk()?);
    let header = image.get(usize::try_from(at).ok()?..)?;
    let machine = header.strip_prefix(b"PE\0\0")?.first_chunk()?;
    Some(u16::from_le_bytes(*machine))
}

impl Default for &'static Arch {
    fn default() -> Self {
        Arch::host()
    }
}

impl FromStr for &'static Arch {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is = |arch: &&Self| {
            [arch.name, arch.debian, arch.kernel].contains(&name)
        };
        ALL.iter().find(is).copied().ok_or_else(|| {
            format!("no architecture `{name}`; valid are {}", names())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Arch, HEAD, require_image};
    use initramfs::compress::Compression;
    use std::fs;

    #[test]
    fn every_name_finds_its_architecture() {
        for arch in ALL {
            for name in [arch.name, arch.debian, arch.kernel] {
                assert_eq!(name.parse(), Ok(arch));
            }
        }
        let error = "vax".parse::<&Arch>().unwrap_err();
        assert!(error.contains("valid are x86_64, aarch64 and"), "{error}");
        assert!(Arch::host().is_host() || std::env::consts::ARCH != "x86_64");
    }

    #[test]
    fn an_image_says_what_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        for arch in ALL {
            let mut image = vec![0; HEAD];
            let (at, magic) = arch.magic;
            image[at..at + magic.len()].copy_from_slice(magic);
            fs::write(&path, image).unwrap();
            for asked in ALL {
                let said = Arch::for_image(Some(asked), &path);
                match asked == arch {
                    true => assert_eq!(said.unwrap(), arch),
                    false => {
                        let error = said.unwrap_err().to_string();
                        let want = format!("for {}, and --arch", arch.name);
                        assert!(error.contains(&want), "{error}");
                    }
                }
            }
            assert_eq!(Arch::for_image(None, &path).unwrap(), arch);
            let image = fs::read(&path).unwrap();
            let packed = Compression::Gzip.compress(&image).unwrap();
            fs::write(&path, packed).unwrap();
            assert_eq!(Arch::for_image(None, &path).unwrap(), arch);
            require_image(&path).unwrap();
            let mut efi = vec![0; 0x3c];
            efi.extend(0x40_u32.to_le_bytes());
            efi.extend(b"PE\0\0");
            assert_eq!(Arch::of_image(&efi), None);
            efi.extend(arch.efi.to_le_bytes());
            assert_eq!(Arch::of_image(&efi), Some(arch));
        }
        fs::write(&path, "short").unwrap();
        assert_eq!(Arch::for_image(None, &path).unwrap(), Arch::host());
        let asked = Arch::for_image(Some(ALL[1]), &path).unwrap();
        assert_eq!(asked, ALL[1]);
        let error = require_image(&path).unwrap_err().to_string();
        assert!(error.contains("is no kernel image; a kernel is"), "{error}");
        for arch in ALL {
            let mut elf = b"\x7fELF\x02\x01".to_vec();
            elf.resize(64, 0);
            elf[18..20].copy_from_slice(&arch.elf.to_le_bytes());
            fs::write(&path, &elf).unwrap();
            let error = require_image(&path).unwrap_err().to_string();
            assert!(error.contains("arch/x86/boot/bzImage"), "{error}");
            elf.extend(*b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0");
            fs::write(&path, &elf).unwrap();
            require_image(&path).unwrap();
        }
        let none = dir.path().join("none");
        assert!(Arch::for_image(None, &none).is_err());
    }
}
