//! What a loader reads of an ELF file. No I/O.

use anyhow::{Context, Result};
use object::elf::{
    DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRTAB, FileHeader32,
    FileHeader64, Machine,
};
use object::read::StringTable;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endian, Endianness};

/// A 64-bit little-endian program as far as a kernel loads it: symbols, lines
/// and the table of sections are left out.
///
/// # Errors
///
/// It is no such file.
pub fn loaded(mut image: Vec<u8>) -> Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(&*image)?;
    let endian = header.endian()?;
    let parts = header.program_headers(endian, &*image)?;
    let ends = parts.iter().map(|part| {
        let size = part.p_filesz(endian);
        part.p_offset(endian).saturating_add(size)
    });
    let end = usize::try_from(ends.max().context("nothing to load")?)?;
    image.truncate(end.max(size_of_val(header)));
    // e_shoff, and e_shentsize, e_shnum and e_shstrndx behind the others.
    for range in [40..48, 58..64] {
        image.get_mut(range).context("cut short")?.fill(0);
    }
    Ok(image)
}

/// Makes zeros of the places in the sources that panics would name, and of the
/// names of these files, in a program that names none: they are no use to it,
/// and zeros take no room in an image. How many places that were.
///
/// A place is a [`core::panic::Location`]: where the name of a file is, how
/// long it is, line and column.
///
/// # Errors
///
/// It is no 64-bit little-endian program.
pub fn without_places(image: &mut [u8]) -> Result<usize> {
    let header = FileHeader64::<Endianness>::parse(&*image)?;
    let endian = header.endian()?;
    let parts = header.program_headers(endian, &*image)?;
    let mut places = Vec::new();
    for part in parts {
        let (begin, address) = (part.p_offset(endian), part.p_vaddr(endian));
        let end = begin.saturating_add(part.p_filesz(endian));
        let range = usize::try_from(begin)?..usize::try_from(end)?;
        let bytes = image.get(range.clone()).context("cut short")?;
        let first = address.next_multiple_of(8) - address;
        for at in (usize::try_from(first)?..bytes.len()).step_by(8) {
            if let Some((from, len)) = place(&bytes[at..], address, bytes) {
                let [from, at] = [from, at].map(|at| at + range.start);
                places.push([from..from + len, at..at + PLACE]);
            }
        }
    }
    for range in places.iter().flatten() {
        image.get_mut(range.clone()).context("cut short")?.fill(0);
    }
    Ok(places.len())
}

/// Bytes of a place.
const PLACE: usize = 24;

/// Where the name of the file is in a part that is loaded at this address, and
/// how long it is, if these bytes of the part begin with a place.
fn place(bytes: &[u8], address: u64, part: &[u8]) -> Option<(usize, usize)> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let from = usize::try_from(word(0)?.checked_sub(address)?).ok()?;
    let len = usize::try_from(word(8)?).ok()?;
    let (line, column) = (word(16)? & 0xffff_ffff, word(16)? >> 32);
    let name = part.get(from..)?.get(..len)?;
    let is_name = name.ends_with(b".rs") && name.is_ascii();
    (is_name && len < 256 && line > 0 && column > 0).then_some((from, len))
}

/// What must agree between a program and its libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The machine.
    pub machine: Machine,
    /// 64 bits, not 32.
    pub wide: bool,
    /// Little-endian.
    pub little: bool,
}

impl Kind {
    /// The name of this machine in the multiarch directories of Debian and
    /// in `/usr/NAME/lib` of cross compilers, for use with the GNU C library.
    #[must_use]
    pub fn triplet(self) -> Option<&'static str> {
        use object::elf;
        Some(match (self.machine, self.wide, self.little) {
            (elf::EM_X86_64, true, _) => "x86_64-linux-gnu",
            (elf::EM_X86_64, false, _) => "x86_64-linux-gnux32",
            (elf::EM_386, ..) => "i386-linux-gnu",
            (elf::EM_AARCH64, true, true) => "aarch64-linux-gnu",
            (elf::EM_ARM, _, true) => "arm-linux-gnueabihf",
            (elf::EM_RISCV, true, _) => "riscv64-linux-gnu",
            (elf::EM_PPC64, _, true) => "powerpc64le-linux-gnu",
            (elf::EM_S390, true, _) => "s390x-linux-gnu",
            (elf::EM_LOONGARCH, true, _) => "loongarch64-linux-gnu",
            _ => return None,
        })
    }
}

/// What a loader reads of an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// What it runs on.
    pub kind: Kind,
    /// The loader it asks for.
    pub interpreter: Option<String>,
    /// Its name as a library.
    pub soname: Option<String>,
    /// Libraries it needs, in order.
    pub needed: Vec<String>,
    /// Directories in which what it needs is looked for, as `DT_RUNPATH`
    /// gives them.
    pub runpath: Option<Vec<String>>,
    /// The same as `DT_RPATH` gives them, which hold for what its libraries
    /// need too.
    pub rpath: Vec<String>,
}

impl Elf {
    /// Parses a file. `None` if it is no ELF file at all.
    ///
    /// # Errors
    ///
    /// It begins as one but is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        // The magic number, then the class.
        let [0x7f, b'E', b'L', b'F', class, ..] = bytes else {
            return Ok(None);
        };
        let parsed = match class {
            1 => parse::<FileHeader32<Endianness>>(bytes),
            _ => parse::<FileHeader64<Endianness>>(bytes),
        };
        parsed.context("a damaged ELF file").map(Some)
    }
}

fn parse<H>(bytes: &[u8]) -> Result<Elf>
where
    H: FileHeader<Endian = Endianness>,
{
    let header = H::parse(bytes)?;
    let endian = header.endian()?;
    let mut elf = Elf {
        kind: Kind {
            machine: header.e_machine(endian),
            wide: header.is_class_64(),
            little: endian.is_little_endian(),
        },
        interpreter: None,
        soname: None,
        needed: Vec::new(),
        runpath: None,
        rpath: Vec::new(),
    };
    let segments = header.program_headers(endian, bytes)?;
    let mut dynamic: &[H::Dyn] = &[];
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, bytes)? {
            elf.interpreter = Some(text(path)?);
        }
        if let Some(entries) = segment.dynamic(endian, bytes)? {
            dynamic = entries;
        }
    }
    let pairs = || {
        let end = object::elf::DT_NULL;
        let pairs = dynamic.iter().map(|d| (d.tag(endian), d.val(endian)));
        pairs.take_while(move |(tag, _)| *tag != end)
    };
    let Some((_, address)) = pairs().find(|(tag, _)| *tag == DT_STRTAB) else {
        return Ok(elf);
    };
    let offset = segments.iter().find_map(|segment| {
        if segment.p_type(endian) != object::elf::PT_LOAD {
            return None;
        }
        let inside = address.checked_sub(segment.p_vaddr(endian).into())?;
        let (offset, size) = segment.file_range(endian);
        (inside < size).then(|| offset.checked_add(inside))?
    });
    let offset = offset.context("its string table is in no segment")?;
    let strings = StringTable::new(bytes, offset, u64::try_from(bytes.len())?);
    for (tag, value) in pairs() {
        let string = || {
            let at = u32::try_from(value).ok();
            let found = at.and_then(|at| strings.get(at).ok());
            text(found.context("a name outside of its string table")?)
        };
        match tag {
            DT_NEEDED => elf.needed.push(string()?),
            DT_SONAME => elf.soname = Some(string()?),
            DT_RPATH => elf.rpath = directories(&string()?),
            DT_RUNPATH => elf.runpath = Some(directories(&string()?)),
            _ => {}
        }
    }
    // It is not looked at where there is the other.
    if elf.runpath.is_some() {
        elf.rpath.clear();
    }
    Ok(elf)
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).context("a name that is not UTF-8")
}

fn directories(path: &str) -> Vec<String> {
    path.split(':').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Elf, without_places};
    use crate::testing::Build;
    use object::elf;
    use proptest::prelude::{any, proptest};

    #[test]
    fn a_program_tells_what_it_needs() {
        let bytes = Build {
            interpreter: "/lib/ld.so",
            needed: &["liba.so", "libb.so"],
            rpath: "/a:$ORIGIN/b",
            ..Build::default()
        }
        .bytes();
        let parsed = Elf::parse(&bytes).unwrap().unwrap();
        assert_eq!(parsed.kind.machine, elf::EM_X86_64);
        assert!(parsed.kind.wide && parsed.kind.little);
        assert_eq!(parsed.interpreter.as_deref(), Some("/lib/ld.so"));
        assert_eq!(parsed.needed, ["liba.so", "libb.so"]);
        assert_eq!(parsed.rpath, ["/a", "$ORIGIN/b"]);
        assert_eq!(parsed.runpath, None);
        let both = Build {
            rpath: "/a",
            runpath: "/b",
            soname: "libc.so",
            ..Build::default()
        }
        .bytes();
        let both = Elf::parse(&both).unwrap().unwrap();
        assert_eq!(both.soname.as_deref(), Some("libc.so"));
        assert!(both.rpath.is_empty() && both.runpath.is_some());
    }

    #[test]
    fn places_of_panics_become_zeros() {
        const ADDRESS: u64 = 0x20_0000;
        let mut image = vec![0; 120];
        image[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
        let header = [(16, 2), (18, 62), (20, 1), (52, 64), (54, 56), (56, 1)];
        for (at, number) in header {
            image[at] = number;
        }
        let part = |at: usize, number: u64| {
            (64 + at..64 + at + 8, number.to_le_bytes())
        };
        let words = [
            part(0, 1 | 4 << 32),
            part(8, 120),
            part(16, ADDRESS),
            part(32, 80),
            (32..40, 64_u64.to_le_bytes()),
        ];
        for (range, bytes) in words {
            image[range].copy_from_slice(&bytes);
        }
        let name = b"pidone/src/run.rsnearest.r";
        let of = |len: u64, line: u64| [ADDRESS + 48, len, line | 5 << 32];
        // A place, and a text of that length with two other numbers.
        for word in of(17, 3).into_iter().chain(of(17, 0)) {
            image.extend(word.to_le_bytes());
        }
        image.extend(name);
        image.resize(200, 7);
        let mut packed = image.clone();
        assert_eq!(without_places(&mut packed).unwrap(), 1);
        image[120..144].fill(0);
        image[168..185].fill(0);
        assert_eq!(packed, image);
        assert_eq!(without_places(&mut packed).unwrap(), 0);
        assert!(without_places(&mut packed[..190]).is_err());
    }

    #[test]
    fn other_files_are_no_elf_and_damaged_ones_say_so() {
        assert_eq!(Elf::parse(b"#!/bin/sh\n").unwrap(), None);
        let mut bytes = Build::default().bytes();
        bytes.truncate(100);
        let error = Elf::parse(&bytes).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            at in 0..1000_usize,
            byte in any::<u8>(),
            len in 0..1000_usize,
        ) {
            let mut bytes = Build {
                needed: &["liba.so"],
                ..Build::default()
            }
            .bytes();
            let (at, len) = (at % bytes.len(), len % bytes.len());
            bytes[at] = byte;
            let _parsed = Elf::parse(&bytes);
            let _parsed = Elf::parse(&bytes[..len]);
        }
    }
}
