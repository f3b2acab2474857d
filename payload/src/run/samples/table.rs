//! Addresses, how often they were seen, and which functions they are in.

use crate::kit::shm::Scratch;
use core::str::from_utf8;

/// An address, how often it was seen, and where its function begins. A count
/// of 0 is that of a place that nothing is in, or no longer.
pub(super) type Row = [u64; 3];

/// Longest name of a function; what is longer is cut.
pub(super) const LONGEST: usize = 120;
/// How far from its place an address may be in the table.
pub(super) const NEAR: usize = 64;
/// Addresses of the kernel begin here.
const KERNEL: u64 = 1 << 63;

/// Whether an address is one of the kernel's.
pub(super) fn is_kernel(address: u64) -> bool {
    address >= KERNEL
}

/// Counts an address; whether there was room for it.
pub(super) fn count(table: &mut [Row], address: u64) -> bool {
    // Fibonacci's hash: addresses that are close are spread. All places near
    // the first are in the table.
    let hash = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let firsts = table.len().saturating_sub(NEAR) as u64;
    let first = usize::try_from((hash * firsts) >> 32).unwrap_or(0);
    let places = table.get_mut(first..first + NEAR).unwrap_or(&mut []);
    match places
        .iter_mut()
        .find(|row| row[1] == 0 || row[0] == address)
    {
        Some(row) => {
            row[0] = address;
            row[1] += 1;
            true
        }
        None => false,
    }
}

/// Sorts rows by their addresses, empty places in front.
fn sort(rows: &mut [Row]) {
    let mut gap = rows.len() / 2;
    while gap > 0 {
        for end in gap..rows.len() {
            let mut at = end;
            while let Some(before) = at.checked_sub(gap)
                && rows[before][0] > rows[at][0]
            {
                rows.swap(before, at);
                at = before;
            }
        }
        gap /= 2;
    }
}

/// What a name of [`Names`] says.
pub(super) fn name(texts: &[u8], row: usize) -> &str {
    let texts = texts.get(row * LONGEST..).unwrap_or(&[]);
    let text = texts.first_chunk::<LONGEST>().map_or(&[][..], |text| text);
    from_utf8(text.get(..length(text)).unwrap_or(&[])).unwrap_or("")
}

fn length(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| byte != 0).count()
}

/// Rows that get names: of all symbols at or below an address the nearest.
pub(super) struct Names<'r> {
    rows: &'r mut [Row],
    /// A name for each row: that of the nearest symbol above all rows in front
    /// of it.
    texts: &'r mut Scratch,
    /// The line that is read: up to which word, and what these are.
    word: u32,
    base: u64,
    kind: u8,
    name: [u8; LONGEST],
    len: usize,
    /// There was a symbol with an address.
    pub(super) any: bool,
}

impl<'r> Names<'r> {
    /// Names for a table, and room for one of each row.
    pub(super) fn new(rows: &'r mut [Row], texts: &'r mut Scratch) -> Self {
        sort(rows);
        Self {
            rows,
            texts,
            word: 0,
            base: 0,
            kind: 0,
            name: [0; LONGEST],
            len: 0,
            any: false,
        }
    }

    /// Takes a part of `/proc/kallsyms`, of lines `address kind name`.
    pub(super) fn take(&mut self, text: &[u8]) {
        for &byte in text {
            match (byte, self.word) {
                (b'\n', _) => self.end(),
                (b' ' | b'\t', _) => self.word += 1,
                (_, 0) => {
                    let digit = (byte as char).to_digit(16).unwrap_or(0);
                    self.base = self.base << 4 | u64::from(digit);
                }
                (_, 1) => self.kind = byte,
                (_, 2) => {
                    if let Some(place) = self.name.get_mut(self.len) {
                        *place = byte;
                        self.len += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// Ends a line.
    fn end(&mut self) {
        let base = self.base;
        // What is no function only says where the one before ends.
        if !matches!(self.kind, b'T' | b't' | b'W' | b'w') {
            self.name = [0; LONGEST];
        }
        let at = self.rows.partition_point(|row| row[0] < base);
        let texts = self.texts.bytes().get_mut(at * LONGEST..);
        let text = texts.and_then(|texts| texts.first_chunk_mut());
        if let (Some(row), Some(text)) = (self.rows.get_mut(at), text)
            && base > 0
            && (base > row[2]
                || base == row[2] && rank(&self.name) < rank(text))
        {
            row[2] = base;
            *text = self.name;
        }
        self.any |= base > 0;
        (self.word, self.base, self.kind, self.len) = (0, 0, 0, 0);
        self.name = [0; LONGEST];
    }

    /// Adds the counts of each function up in its first row.
    pub(super) fn unite(self) {
        let mut first: Option<&mut Row> = None;
        for row in self.rows {
            if let Some(first) = &mut first
                && row[2] <= first[2]
            {
                first[1] += row[1];
                row[1] = 0;
            } else if is_kernel(row[0]) {
                first = Some(row);
            }
        }
    }
}

/// The lower, the more a name is the one that people use, of those that a
/// function has.
fn rank(name: &[u8]) -> (usize, &[u8]) {
    let lines = name.iter().take_while(|&&byte| byte == b'_').count();
    match length(name) {
        0 => (usize::MAX, name),
        len => (lines * LONGEST + len, name),
    }
}

/// The row that was seen most, if one was.
pub(super) fn most(table: &mut [Row]) -> Option<(usize, &mut Row)> {
    let rows = table.iter_mut().enumerate().filter(|(_, row)| row[1] > 0);
    rows.max_by_key(|(_, row)| row[1])
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, NEAR, Names, Row, count, is_kernel, most, name};
    use crate::kit::shm::Scratch;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeMap;
    use std::format;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    fn named(table: &mut [Row], symbols: &str) -> Vec<(u64, String)> {
        let mut texts = Scratch::new(table.len() * LONGEST).unwrap();
        let mut names = Names::new(table, &mut texts);
        for part in symbols.as_bytes().chunks(7) {
            names.take(part);
        }
        names.unite();
        let mut all = Vec::new();
        while let Some((at, row)) = most(table) {
            let of = match is_kernel(row[0]) {
                false => format!("{:#x}", row[0]),
                true => name(texts.read(), at).to_string(),
            };
            all.push((row[1], of));
            row[1] = 0;
        }
        all
    }

    #[test]
    fn addresses_get_the_name_of_the_symbol_in_front_of_them() {
        let mut table = vec![[0; 3]; 1024];
        for (address, times) in [
            (0x20_1000, 9),
            (0x20_1004, 7),
            (KERNEL - 1, 1),
            (KERNEL, 3),
            (KERNEL + 4, 4),
            (KERNEL + 0x1f, 1),
            (KERNEL + 0x20, 2),
            (KERNEL + 0x38, 5),
            (KERNEL + 0x1000, 20),
            (0xffff_ffff_c000_0004, 30),
            (0xffff_ffff_c000_0010, 40),
            (0xffff_ffff_9000_0000, 50),
        ] {
            (0..times).for_each(|_| assert!(count(&mut table, address)));
        }
        let symbols = "0000000000000000 A fixed_percpu_data\n\
                       0000000000001000 A gdt_page\n\
                       ffffffff81000000 T _stext\n\
                       ffffffff81000000 t __schedule\n\
                       ffffffff81000000 t schedule\n\
                       ffffffff81000020 t schedule.cold\n\
                       ffffffff81000030 D data\n\
                       ffffffff81000040 W after\n\
                       ffffffffc0000010 t second\t[module]\n\
                       ffffffffc0000000 t first\t[module]\n\
                       ffffffff90000000 t between\nnothing\n";
        let found = named(&mut table, symbols);
        let found: Vec<_> = found.iter().map(|(n, of)| (*n, &**of)).collect();
        let expected = [
            (50, "between"),
            (40, "second"),
            (30, "first"),
            (20, "after"),
            (9, "0x201000"),
            (8, "schedule"),
            (7, "0x201004"),
            (5, ""),
            (2, "schedule.cold"),
            (1, ""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_table_that_is_full_says_so() {
        let mut table = vec![[0; 3]; 2 * NEAR];
        let fits = (1..1000_u64).filter(|&n| count(&mut table, n * 64));
        let fits = fits.count();
        assert!((64..=128).contains(&fits), "{fits}");
        assert!(count(&mut table, 64));
        let sum: u64 = table.iter().map(|row| row[1]).sum();
        assert_eq!(sum, fits as u64 + 1);
        assert!(!count(&mut [], 1));
    }

    proptest! {
        #[test]
        fn counts_sum_to_what_was_counted(
            addresses in proptest::collection::vec(any::<u16>(), 0..400),
            symbols in proptest::collection::vec(any::<u16>(), 0..60),
            kernel in any::<bool>(),
        ) {
            let base = if kernel { KERNEL } else { 0 };
            let mut table = vec![[0; 3]; 1024];
            // How often each function was seen, and what is below all of them.
            let mut functions: BTreeMap<u64, u64> = BTreeMap::new();
            for &at in &addresses {
                prop_assert!(count(&mut table, base + u64::from(at)));
                let below = symbols.iter().filter(|&&symbol| symbol <= at);
                let function = below.max().map_or(u64::MAX, |&s| s.into());
                let key = if kernel { function } else { at.into() };
                *functions.entry(key).or_default() += 1;
            }
            let text: String = symbols
                .iter()
                .map(|&at| format!("{:x} t f{at}\n", base + u64::from(at)))
                .collect();
            let found = named(&mut table, &text);
            let of = |function: u64| match (kernel, function) {
                (false, at) => format!("{at:#x}"),
                (true, u64::MAX) => String::new(),
                (true, at) => format!("f{at}"),
            };
            let expected = functions.into_iter().map(|(f, n)| (n, of(f)));
            let mut expected: Vec<_> = expected.collect();
            expected.sort();
            prop_assert!(found.is_sorted_by(|a, b| a.0 >= b.0));
            let mut found = found;
            found.sort();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_text_panics(text in "([0-9a-f]{1,20} [tTD] )?.{0,200}") {
            let mut table = vec![[0; 3]; NEAR];
            count(&mut table, u64::MAX);
            let found = named(&mut table, &text);
            prop_assert_eq!(found.len(), 1);
        }
    }
}
