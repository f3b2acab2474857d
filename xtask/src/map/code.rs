//! The functions whose code differs in two builds of a kernel.
//!
//! Where code lies, and how far it is from what it refers to, moves with all
//! that is linked in front of it. So bodies are compared with references
//! resolved: two that lead to the same place of the same symbol are equal.
//! Bytes that are equal are not looked at: that another function lies just
//! where the one before lay is no more than an accident. A string that was
//! changed is no code.

use crate::kernel_build::vmlinux;
use crate::model::profile::folded;
use crate::profile::symbols::plainness;
use anyhow::{Context, Result, bail};
use object::elf::SectionFlags as ElfFlags;
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How two kernels differ in code. Functions go by the names that a profile
/// has for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeChanges {
    /// In both, and not the same.
    pub changed: BTreeSet<String>,
    /// Only in the second one: new, or no longer inlined.
    pub added: BTreeSet<String>,
    /// Only in the first one: removed, or inlined.
    pub removed: BTreeSet<String>,
}

impl CodeChanges {
    /// Those of two images that were built here.
    ///
    /// # Errors
    ///
    /// As those of [`Self::of_files`], or a kernel cannot be read.
    pub fn of_images(images: [&Path; 2]) -> Result<Self> {
        let read = |image: &Path| {
            let file = vmlinux(image);
            fs::read(&file).with_context(|| file.display().to_string())
        };
        let [a, b] = images.map(read);
        Self::of_files([&a?, &b?])
    }

    /// Those of two kernels proper (`vmlinux`).
    ///
    /// # Errors
    ///
    /// They are no ELF files, or of an architecture whose references are not
    /// known here.
    pub fn of_files(files: [&[u8]; 2]) -> Result<Self> {
        let [a, b] = files.map(Code::read);
        let (a, b) = (a?, b?);
        if a.arch != b.arch {
            bail!("kernels of two architectures have no code in common");
        }
        let mut changes = Self::default();
        let names = |code: &Code<'_>| -> BTreeSet<String> {
            code.functions.keys().map(|&name| name.to_owned()).collect()
        };
        let (of_a, of_b) = (names(&a), names(&b));
        changes.added = &of_b - &of_a;
        changes.removed = &of_a - &of_b;
        for (name, bodies) in &a.functions {
            let Some(others) = b.functions.get(name) else {
                continue;
            };
            let mut both = bodies.iter().zip(others);
            let same = bodies.len() == others.len()
                && both.all(|(x, y)| same((&a, x), (&b, y)));
            if !same {
                changes.changed.insert((*name).to_owned());
            }
        }
        Ok(changes)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeSet<String> {
        let all = [&self.changed, &self.added, &self.removed];
        all.into_iter().flatten().cloned().collect()
    }
}

/// A piece of code, by where it lies.
#[derive(Debug)]
struct Body<'f> {
    address: u64,
    bytes: &'f [u8],
}

/// What lies somewhere in a kernel.
#[derive(Debug, PartialEq, Eq)]
struct Place<'f> {
    name: &'f str,
    /// Bytes from its beginning.
    offset: u64,
}

/// The code of a kernel, and what it may refer to.
#[derive(Debug)]
struct Code<'f> {
    arch: Architecture,
    /// The pieces of each function, in the order of their addresses.
    functions: BTreeMap<&'f str, Vec<Body<'f>>>,
    /// Where symbols begin and end, in order.
    symbols: Vec<(u64, u64, &'f str)>,
    /// What linker scripts and labels call a place, of which there may be
    /// several at one.
    marks: BTreeMap<u64, Vec<&'f str>>,
    /// Where sections begin and end that have no symbols for all that is in
    /// them.
    unnamed: Vec<(u64, u64, &'f str)>,
}

impl<'f> Code<'f> {
    fn read(file: &'f [u8]) -> Result<Self> {
        let elf = object::File::parse(file).context("vmlinux")?;
        let arch = elf.architecture();
        if ![Architecture::X86_64, Architecture::Aarch64].contains(&arch) {
            bail!("code for {arch:?} cannot be compared yet");
        }
        let mut code = Self {
            arch,
            functions: BTreeMap::new(),
            symbols: Vec::new(),
            marks: BTreeMap::new(),
            unnamed: Vec::new(),
        };
        // By their indices: the code of those that are executed.
        let mut texts = BTreeMap::new();
        for section in elf.sections() {
            let name = utf8(section.name_bytes()?);
            let begin = section.address();
            let end = begin.saturating_add(section.size());
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let has = |flag: ElfFlags| sh_flags.0 & flag.0 != 0;
            if !has(object::elf::SHF_ALLOC) {
                continue;
            }
            if UNNAMED.iter().any(|begin| name.starts_with(begin)) {
                code.unnamed.push((begin, end, name));
            }
            // What runs at boot, or never, is in no measured window.
            let boot = [".init", ".exit"];
            let boot = boot.iter().any(|begin| name.starts_with(begin));
            if has(object::elf::SHF_EXECINSTR) && !boot {
                texts.insert(section.index().0, (begin, section.data()?));
            }
        }
        let mut functions: BTreeMap<(u64, u64), (&'f [u8], &'f str)> =
            BTreeMap::new();
        for symbol in elf.symbols() {
            let name = utf8(symbol.name_bytes()?);
            let (begin, size) = (symbol.address(), symbol.size());
            if name.is_empty() || symbol.is_undefined() {
                continue;
            }
            match size {
                0 => code.marks.entry(begin).or_default().push(name),
                _ => {
                    let end = begin.saturating_add(size);
                    code.symbols.push((begin, end, name));
                }
            }
            let text = symbol.section_index();
            let text = text.and_then(|at| texts.get(&at.0));
            let Some((start, text)) = text.filter(|_| size > 0) else {
                continue;
            };
            let Some(bytes) = cut(text, begin.checked_sub(*start), size) else {
                continue;
            };
            // Of several names, the one that a profile has.
            let known = functions.entry((begin, size)).or_insert((bytes, name));
            if plainness(name) < plainness(known.1) {
                known.1 = name;
            }
        }
        for ((address, _), (bytes, name)) in functions {
            let pieces = code.functions.entry(folded(name).0).or_default();
            pieces.push(Body { address, bytes });
        }
        let order = |&(begin, end, name): &(u64, u64, &'f str)| {
            (begin, end, core::cmp::Reverse(plainness(name)))
        };
        code.symbols.sort_by(|x, y| order(x).cmp(&order(y)));
        Ok(code)
    }

    /// What has a symbol at an address, without the numbers that a compiler
    /// gives to variables of one name.
    fn named(&self, address: u64) -> Option<Place<'f>> {
        let at = self.symbols.partition_point(|it| it.0 <= address);
        let &(begin, end, name) = self.symbols[..at].last()?;
        if address >= end {
            return None;
        }
        let (name, _) = folded(name);
        let plain = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = match plain.strip_suffix('.') {
            Some(plain) if !plain.is_empty() => plain,
            _ => name,
        };
        let offset = address - begin;
        Some(Place { name, offset })
    }

    /// The section of what has none.
    fn unnamed(&self, address: u64) -> Option<&'f str> {
        let within = |&&(begin, end, _): &&(u64, u64, &str)| {
            (begin..end).contains(&address)
        };
        let (.., name) = self.unnamed.iter().find(within)?;
        self.named(address).is_none().then_some(*name)
    }
}

/// Sections in which strings and parts of alternatives lie, without symbols.
const UNNAMED: [&str; 2] = [".rodata", ".altinstr"];

/// Whether an address of one kernel is the same place as one of another;
/// `exactly`, if it is known by a symbol.
fn leads(
    (a, b): (&Code<'_>, &Code<'_>),
    to: (u64, u64),
    exactly: bool,
) -> bool {
    match exactly {
        true => {
            let place = a.named(to.0);
            let marks = [(a, to.0), (b, to.1)];
            let marks = marks.map(|(code, to)| code.marks.get(&to));
            let [Some(of_a), Some(of_b)] = marks else {
                return place.is_some() && place == b.named(to.1);
            };
            of_a.iter().any(|mark| of_b.contains(mark))
                || place.is_some() && place == b.named(to.1)
        }
        false => {
            let section = a.unnamed(to.0);
            section.is_some() && section == b.unnamed(to.1)
        }
    }
}

fn utf8(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// So many bytes from there on.
fn cut(bytes: &[u8], from: Option<u64>, size: u64) -> Option<&[u8]> {
    let from = usize::try_from(from?).ok()?;
    let end = from.checked_add(usize::try_from(size).ok()?)?;
    bytes.get(from..end)
}

/// A piece of code with the kernel that it is of.
type In<'c, 'f> = (&'c Code<'f>, &'c Body<'f>);

/// Whether two pieces do the same.
fn same(a: In<'_, '_>, b: In<'_, '_>) -> bool {
    a.1.bytes.len() == b.1.bytes.len()
        && match a.0.arch {
            Architecture::X86_64 => same_x86(a, b),
            _ => same_arm64(a, b),
        }
}

/// Instructions of x86 have references as 32 bits anywhere in them: as an
/// address, or as a distance from the next instruction, which begins behind
/// these bits or behind a constant of 1, 2 or 4 bytes.
fn same_x86(a: In<'_, '_>, b: In<'_, '_>) -> bool {
    let (of_a, of_b) = (a.1.bytes, b.1.bytes);
    let reference = |n: usize, exactly: bool| {
        let (Some(x), Some(y)) = (word(of_a, n), word(of_b, n)) else {
            return false;
        };
        let far = |word: u32| i64::from(word.cast_signed()).cast_unsigned();
        let (x, y) = (far(x), far(y));
        let end = |of: In<'_, '_>| of.1.address + n as u64 + 4;
        let near = |more: u64| {
            let of = |to: u64, of| to.wrapping_add(end(of) + more);
            leads((a.0, b.0), (of(x, a), of(y, b)), exactly)
        };
        leads((a.0, b.0), (x, y), exactly) || [0, 1, 2, 4].into_iter().any(near)
    };
    let mut at = 0;
    while let Some(next) = (at..of_a.len()).find(|&n| of_a[n] != of_b[n]) {
        // The first byte of a reference mostly differs, and what a symbol says
        // is sure.
        let places = (next.saturating_sub(3).max(at)..=next).rev();
        let found = [true, false].into_iter().find_map(|exactly| {
            places.clone().find(|&n| reference(n, exactly))
        });
        match found {
            Some(n) => at = n + 4,
            None => return false,
        }
    }
    true
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// Instructions of arm64 that refer to what is elsewhere: branches, and pairs
/// of one that makes the address of a page, and one that adds what is within.
fn same_arm64(a: In<'_, '_>, b: In<'_, '_>) -> bool {
    let (of_a, of_b) = (a.1.bytes, b.1.bytes);
    // By register, the page that was last put into it.
    let mut pages = [None; 32];
    (0..of_a.len()).step_by(4).all(|n| {
        let (Some(x), Some(y)) = (word(of_a, n), word(of_b, n)) else {
            return of_a[n..] == of_b[n..];
        };
        let at = |of: In<'_, '_>| of.1.address + n as u64;
        let leads = |x: u64, y: u64| {
            [true, false]
                .into_iter()
                .any(|exactly| leads((a.0, b.0), (x, y), exactly))
        };
        let register = |word: u32, shift: u32| (word >> shift & 31) as usize;
        // ADRP
        if x & 0x9f00_0000 == 0x9000_0000 && (x ^ y) & 0x9f00_001f == 0 {
            let page = |word: u32, at: u64| {
                let low = word >> 29 & 3;
                let pages = signed(word >> 5 << 2 & 0x1f_fffc | low, 21);
                (at & !0xfff).wrapping_add(pages << 12)
            };
            pages[register(x, 0)] = Some((page(x, at(a)), page(y, at(b))));
            return true;
        }
        if x == y {
            return true;
        }
        // B and BL
        if x & 0x7c00_0000 == 0x1400_0000 && (x ^ y) >> 26 == 0 {
            let to = |word: u32, at: u64| {
                at.wrapping_add(signed(word & 0x3ff_ffff, 26) << 2)
            };
            return leads(to(x, at(a)), to(y, at(b)));
        }
        // ADD, and loads and stores, with 12 bits of an address
        let shift = match x {
            _ if x & 0x7fc0_0000 == 0x1100_0000 => 0,
            _ if x & 0x3f80_0000 == 0x3d80_0000 => 4,
            _ if x & 0x3b00_0000 == 0x3900_0000 => x >> 30,
            _ => return false,
        };
        let (Some((of_x, of_y)), true) =
            (pages[register(x, 5)], (x ^ y) & !0x3f_fc00 == 0)
        else {
            return false;
        };
        let within = |word: u32| u64::from(word >> 10 & 0xfff) << shift;
        leads(of_x + within(x), of_y + within(y))
    })
}

/// A number of so many bits, whose first says its sign.
fn signed(number: u32, bits: u32) -> u64 {
    let left = 64 - bits;
    ((u64::from(number) << left).cast_signed() >> left).cast_unsigned()
}

#[cfg(test)]
mod tests;
