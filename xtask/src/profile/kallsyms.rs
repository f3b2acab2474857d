//! The symbols that a kernel carries in itself (`CONFIG_KALLSYMS`).
//!
//! The kernel's build lays down several tables without a word of where: they
//! are found by their form. The form is that of the files
//! `scripts/kallsyms.c` and `kernel/kallsyms.c` of Linux 4.20 and later, as
//! their comments describe it:
//!
//! - 256 *tokens*, strings behind one another that end in a zero, and an index
//!   of 256 numbers of 16 bits, which say where each begins.
//! - The *number* of symbols, in 32 bits.
//! - Their *names*: for each its length, in one byte or (with the highest bit
//!   set) two, and as many numbers of tokens. The tokens behind one another
//!   are the symbol's kind in one letter, and its name.
//! - *Markers*, of 32 bits each: where each 256th name begins.
//! - *Offsets* of the addresses, of 32 bits each, and the *base* they begin
//!   at. They are in front of the number up to 6.3, and behind the index since.
//!   Where one of them is negative, those that are not are addresses as they
//!   are (of variables of each CPU), and the others count down from the base.
//!   In 7.2 there is no base: each offset is how far it is from the offset's
//!   own place to the symbol's.
//!
//! Each table begins at a multiple of 8 bytes, or of 4 since 7.2. The base of
//! a kernel that relocates itself may be among its relocations only.

use anyhow::{Context, Result, bail};

/// A symbol of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Where it begins.
    pub address: u64,
    /// Its kind, as `nm` has it: `t` and `T` are code.
    pub kind: u8,
    /// Its name.
    pub name: String,
}

/// The least and the most symbols that a kernel may have.
const COUNTS: core::ops::Range<usize> = 64..4_000_000;
/// Names between two markers.
const MARKED: usize = 256;
/// Tokens.
const TOKENS: usize = 256;
/// Most bytes of a token.
const LONGEST: usize = 512;
/// Addresses from here on are the kernel's.
const KERNEL: u64 = 1 << 63;
/// Where an image for aarch64 begins.
const IMAGE: u64 = 0xffff_8000_8000_0000;
/// Where one for riscv64 begins, and the mark in it.
const RISCV_IMAGE: u64 = 0xffff_ffff_8000_0000;
const RISCV_MARK: (usize, &[u8; 4]) = (0x38, b"RSC\x05");
/// A relocation of 64 bits by where the kernel is, on aarch64 and riscv64.
const RELATIVE: [u64; 2] = [1027, 3];

/// The symbols in an unpacked kernel, by their addresses.
///
/// # Errors
///
/// It has none, or they are not as described.
pub fn read(kernel: &[u8]) -> Result<Vec<Symbol>> {
    let tokens = Tokens::find(kernel)
        .context("no table of symbols found (CONFIG_KALLSYMS may be off)")?;
    let names = Names::find(kernel, &tokens)
        .context("there is a table of tokens, and no names of symbols")?;
    let addresses = addresses(kernel, &tokens, &names)
        .context("there are names of symbols, and no addresses for them")?;
    let mut symbols = Vec::with_capacity(addresses.len());
    for (&name, address) in names.begins.iter().zip(addresses) {
        let text = tokens.expand(name_at(kernel, name).map_or(&[], |n| n.0));
        let [kind, name @ ..] = &*text else {
            bail!("a symbol at {address:#x} has no name");
        };
        symbols.push(Symbol {
            address,
            kind: *kind,
            name: String::from_utf8_lossy(name).into_owned(),
        });
    }
    Ok(symbols)
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    word(bytes, at).map(|w| usize::from(u16::from_le_bytes(w)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(word(bytes, at)?)).ok()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    word(bytes, at).map(u64::from_le_bytes)
}

struct Tokens<'k> {
    /// Where the first of them is.
    begin: usize,
    /// Behind the index.
    end: usize,
    tokens: Vec<&'k [u8]>,
}

impl<'k> Tokens<'k> {
    fn find(kernel: &'k [u8]) -> Option<Self> {
        let places = (0..kernel.len()).step_by(4);
        places.filter_map(|at| Self::at(kernel, at)).next()
    }

    /// Those whose index is at this place.
    fn at(kernel: &'k [u8], index: usize) -> Option<Self> {
        // Most places are none, which is soon clear.
        let second = u16_at(kernel, index + 2)?;
        if u16_at(kernel, index) != Some(0) || !(2..LONGEST).contains(&second) {
            return None;
        }
        let begins: Vec<usize> = (0..TOKENS)
            .map(|token| u16_at(kernel, index + 2 * token))
            .collect::<Option<_>>()?;
        let lengths = begins.windows(2).map(|two| two[1].wrapping_sub(two[0]));
        if !lengths.clone().all(|length| (2..LONGEST).contains(&length)) {
            return None;
        }
        // How long the last one is, nothing says.
        let last = *begins.last()?;
        let sizes = (last..last + LONGEST).filter(|size| size % 4 == 0);
        sizes.into_iter().find_map(|size| {
            let begin = index.checked_sub(size)?;
            let table = kernel.get(begin..index)?;
            let end = last + table[last..].iter().position(|&b| b == 0)? + 1;
            let rest = &table[end..];
            if rest.len() >= 8 || rest.iter().any(|&byte| byte != 0) {
                return None;
            }
            let ends = begins.iter().skip(1).copied().chain([end]);
            let tokens = begins.iter().zip(ends).map(|(&from, to)| {
                let (&zero, token) = table.get(from..to)?.split_last()?;
                let whole = zero == 0 && !token.is_empty();
                (whole && !token.contains(&0)).then_some(token)
            });
            Some(Self {
                begin,
                end: index + 2 * TOKENS,
                tokens: tokens.collect::<Option<_>>()?,
            })
        })
    }

    fn expand(&self, name: &[u8]) -> Vec<u8> {
        let tokens = name.iter().map(|&token| self.tokens[usize::from(token)]);
        tokens.collect::<Vec<_>>().concat()
    }
}

/// The tokens of a name, and where the next one is.
fn name_at(kernel: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = usize::from(*kernel.get(at)?);
    let (begin, length) = match first & 0x80 {
        0 => (at + 1, first),
        _ => {
            let more = usize::from(*kernel.get(at + 1)?);
            (at + 2, first & 0x7f | more << 7)
        }
    };
    let name = kernel.get(begin..begin + length)?;
    (length > 0).then_some((name, begin + length))
}

struct Names {
    /// Where their number is.
    number: usize,
    /// Where each begins.
    begins: Vec<usize>,
}

impl Names {
    /// In front of the tokens, where the markers that follow them fit.
    fn find(kernel: &[u8], tokens: &Tokens<'_>) -> Option<Self> {
        let kernel = kernel.get(..tokens.begin)?;
        let places = (0..tokens.begin).step_by(4).rev();
        let aligned = places.flat_map(|at| [(at, 8), (at, 4)]);
        aligned
            .filter_map(|(at, align)| Self::at(kernel, at, align))
            .next()
    }

    fn at(kernel: &[u8], number: usize, align: usize) -> Option<Self> {
        let count = u32_at(kernel, number)?;
        let first = number + align;
        // Each has a length and a token at least.
        if !COUNTS.contains(&count) || first + 2 * count > kernel.len() {
            return None;
        }
        let mut begins = Vec::new();
        let mut at = first;
        for _ in 0..count {
            begins.push(at);
            at = name_at(kernel, at)?.1;
        }
        let markers = at.next_multiple_of(align);
        let mut marked = begins.iter().step_by(MARKED).enumerate();
        let fits = marked.all(|(nth, begin)| {
            u32_at(kernel, markers + 4 * nth) == Some(begin - first)
        });
        fits.then_some(Self { number, begins })
    }
}

/// The addresses, from the place where they are in order.
fn addresses(
    kernel: &[u8],
    tokens: &Tokens<'_>,
    names: &Names,
) -> Option<Vec<u64>> {
    let size = 4 * names.begins.len();
    let behind = tokens.end.next_multiple_of(8);
    let base = (behind + size).next_multiple_of(8);
    let newer = || from_base(kernel.get(behind..behind + size)?, kernel, base);
    let older = || {
        let base = names.number.checked_sub(8)?;
        let begin = base.checked_sub(size.next_multiple_of(8))?;
        from_base(kernel.get(begin..begin + size)?, kernel, base)
    };
    newer().or_else(older).or_else(|| {
        let (offsets, _) =
            kernel.get(tokens.end..tokens.end + size)?.as_chunks::<4>();
        let places = (tokens.end..).step_by(4);
        let here = offsets.iter().zip(places).map(|(&offset, place)| {
            let offset = i64::from(i32::from_le_bytes(offset));
            address_of(kernel, place)?.checked_add_signed(offset)
        });
        in_order(here.collect::<Option<_>>()?)
    })
}

/// Symbols are in the order of their addresses, and few share one.
fn in_order(addresses: Vec<u64>) -> Option<Vec<u64>> {
    let steps = addresses.windows(2).filter(|two| two[0] < two[1]).count();
    let fits = addresses.is_sorted() && 2 * steps > addresses.len();
    fits.then_some(addresses)
}

/// Addresses by offsets from a base.
fn from_base(offsets: &[u8], kernel: &[u8], base: usize) -> Option<Vec<u64>> {
    let (offsets, _) = offsets.as_chunks::<4>();
    let absolute = offsets.iter().any(|&o| i32::from_le_bytes(o) < 0);
    let base = base_at(kernel, base)?;
    let address = |&offset: &[u8; 4]| {
        let unsigned = u64::from(u32::from_le_bytes(offset));
        match (absolute, i32::from_le_bytes(offset)) {
            (true, below @ ..0) => {
                base.checked_add(u64::from(below.unsigned_abs()) - 1)
            }
            (true, _) => Some(unsigned),
            (false, _) => base.checked_add(unsigned),
        }
    };
    in_order(offsets.iter().map(address).collect::<Option<_>>()?)
}

/// Where the kernel has a place of its file in memory: as the ELF header says,
/// or, in an image without one, from the address on that is the same in all
/// kernels for riscv64 and in those for aarch64 with pages of 4 KiB since 6.5.
fn address_of(kernel: &[u8], place: usize) -> Option<u64> {
    let place = u64::try_from(place).ok()?;
    if !kernel.starts_with(b"\x7fELF") {
        let (at, mark) = RISCV_MARK;
        let riscv = word(kernel, at) == Some(*mark);
        return place.checked_add(if riscv { RISCV_IMAGE } else { IMAGE });
    }
    let (table, count) = (u64_at(kernel, 32)?, u16_at(kernel, 56)?);
    (0..count).find_map(|nth| {
        let header = usize::try_from(table).ok()?.checked_add(56 * nth)?;
        let field = |at: usize| u64_at(kernel, header.checked_add(at)?);
        let within = place.checked_sub(field(8)?)?;
        // What is loaded, and has this place in the file.
        let loaded = u32_at(kernel, header)? == 1 && within < field(32)?;
        loaded.then(|| field(16)?.checked_add(within))?
    })
}

/// The base at this place, or the one that a relocation puts there: the kernel
/// begins where its image does, which is the base.
fn base_at(kernel: &[u8], at: usize) -> Option<u64> {
    let base = u64_at(kernel, at)?;
    if base >= KERNEL {
        return Some(base);
    }
    let place = u64::try_from(at).ok()?;
    let (words, _) = kernel.as_chunks::<8>();
    let words: Vec<u64> =
        words.iter().map(|&word| u64::from_le_bytes(word)).collect();
    words.windows(3).find_map(|three| {
        let [to, kind, base] = three else { return None };
        let fits =
            RELATIVE.contains(kind) && base.checked_add(place) == Some(*to);
        (fits && *base >= KERNEL).then_some(*base)
    })
}

#[cfg(test)]
mod tests {
    use super::{IMAGE, RELATIVE, read};
    use proptest::prelude::{any, proptest};

    const BASE: u64 = 0xffff_ffff_8100_0000;

    /// Where the addresses are, and what they count from.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Form {
        Before,
        Behind,
        Absolute,
        Relocated,
        Here,
        HereInElf,
    }

    const FORMS: [Form; 6] = [
        Form::Before,
        Form::Behind,
        Form::Absolute,
        Form::Relocated,
        Form::Here,
        Form::HereInElf,
    ];

    fn pad(image: &mut Vec<u8>, align: usize) {
        image.resize(image.len().next_multiple_of(align), 0);
    }

    /// A small kernel: a header, its tables, and what comes of relocations.
    /// Symbols are 16 bytes apart from the base on, and the last ones have a
    /// long name.
    fn image(count: u32, form: Form) -> Vec<u8> {
        let here = matches!(form, Form::Here | Form::HereInElf);
        let align = if here { 4 } else { 8 };
        let mut image = vec![0x90; 4096];
        if form == Form::HereInElf {
            image[..4].copy_from_slice(b"\x7fELF");
            image[32..40].copy_from_slice(&64_u64.to_le_bytes());
            image[56..58].copy_from_slice(&1_u16.to_le_bytes());
            let loaded = [1_u64, 0, BASE, 0, 1 << 30];
            for (word, at) in loaded.iter().zip((64..).step_by(8)) {
                image[at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
        let offset = |nth: u32| -> u32 {
            match form {
                Form::Absolute if nth < 8 => nth,
                Form::Absolute => (-i64::from(16 * nth) - 1).to_le_bytes()[..4]
                    .try_into()
                    .map(u32::from_le_bytes)
                    .unwrap(),
                _ => 16 * nth,
            }
        };
        let base = if form == Form::Relocated { 0 } else { BASE };
        let offsets = |image: &mut Vec<u8>| -> usize {
            for nth in 0..count {
                let here = u32::try_from(image.len()).unwrap();
                let number = match here_of(form) {
                    true => offset(nth).wrapping_sub(here),
                    false => offset(nth),
                };
                image.extend(number.to_le_bytes());
            }
            pad(image, align);
            let at = image.len();
            if !here_of(form) {
                image.extend(base.to_le_bytes());
            }
            at
        };
        if form == Form::Before {
            offsets(&mut image);
        }
        image.extend(count.to_le_bytes());
        pad(&mut image, align);
        let first = image.len();
        let mut markers = Vec::new();
        for nth in 0..count {
            if nth % 256 == 0 {
                markers.push(u32::try_from(image.len() - first).unwrap());
            }
            // `T`, the token of three letters, and the number.
            let mut name = format!("T\u{1}{nth}").into_bytes();
            if nth + 2 > count {
                name.extend([b'x'; 200]);
            }
            match u8::try_from(name.len()).ok().filter(|n| *n < 128) {
                Some(length) => image.push(length),
                None => {
                    let low = u8::try_from(name.len() & 0x7f).unwrap();
                    let high = u8::try_from(name.len() >> 7).unwrap();
                    image.extend([low | 0x80, high]);
                }
            }
            image.extend(name);
        }
        pad(&mut image, align);
        markers.iter().for_each(|m| image.extend(m.to_le_bytes()));
        pad(&mut image, align);
        let (begin, mut index) = (image.len(), Vec::new());
        for token in 0..=255_u8 {
            let at = u16::try_from(image.len() - begin).unwrap();
            index.extend(at.to_le_bytes());
            match token {
                0 => image.push(b'?'),
                1 => image.extend(b"fun"),
                _ => image.push(token),
            }
            image.push(0);
        }
        pad(&mut image, align);
        image.extend(index);
        if form != Form::Before {
            pad(&mut image, align);
            let at = u64::try_from(offsets(&mut image)).unwrap();
            if form == Form::Relocated {
                for word in [BASE + at, RELATIVE[0], BASE] {
                    image.extend(word.to_le_bytes());
                }
            }
        }
        image.extend([0x90; 64]);
        image
    }

    fn here_of(form: Form) -> bool {
        matches!(form, Form::Here | Form::HereInElf)
    }

    #[test]
    fn every_form_is_read() {
        for form in FORMS {
            let symbols = read(&image(600, form)).unwrap();
            assert_eq!(symbols.len(), 600, "{form:?}");
            let base = match form {
                Form::Here => IMAGE,
                _ => BASE,
            };
            for (symbol, nth) in symbols.iter().zip(0..) {
                let address = match form {
                    Form::Absolute if nth < 8 => nth,
                    _ => base + 16 * nth,
                };
                assert_eq!(symbol.address, address, "{form:?} {nth}");
                assert_eq!(symbol.kind, b'T');
                let name = symbol.name.trim_end_matches('x');
                assert_eq!(name, format!("fun{nth}"));
            }
            assert_eq!(symbols[599].name.len(), "fun599".len() + 200);
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let said = |image: &[u8]| {
            let count = read(image).map(|symbols| symbols.len());
            count.unwrap_err().to_string()
        };
        assert!(said(&[0; 4096]).contains("CONFIG_KALLSYMS"));
        let mut image = image(600, Form::Behind);
        let tokens = image.len() - 64 - 8 - 600 * 4 - 512;
        assert!(said(&image[..tokens + 512]).contains("no addresses"));
        // A name too long leads to other markers.
        image[4096 + 8] += 1;
        assert!(said(&image).contains("no names"));
    }

    proptest! {
        #[test]
        fn no_image_panics(
            form in 0..FORMS.len(),
            changes in proptest::collection::vec(
                (any::<u16>(), any::<u8>()),
                8,
            ),
            end in any::<u16>(),
        ) {
            let mut image = image(70, FORMS[form]);
            let size = image.len();
            for (at, byte) in changes {
                image[usize::from(at) % size] = byte;
            }
            image.truncate(size - usize::from(end) % 64);
            let _any = read(&image);
        }

        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let _any = read(&bytes);
        }
    }
}
