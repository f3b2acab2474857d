//! Addresses, how often they were seen, and which functions they are in.

use crate::kit::shm::Scratch;
use crate::kit::text::each_line;
use core::str::from_utf8;

/// An address, how often it was seen, and where its function begins.
pub(super) type Row = [u64; 3];

/// Longest name of a function; what is longer is cut.
pub(super) const LONGEST: usize = 120;
/// How far from its place an address may be in the table.
const NEAR: usize = 64;
/// Set in the addresses of the kernel, and in what stands for one of its
/// functions.
const KERNEL: u64 = 1 << 63;

/// Counts an address; whether there was room for it.
pub(super) fn count(table: &mut [Row], address: u64) -> bool {
    // Fibonacci's hash: addresses that are close are spread.
    let hash = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    // All places near the first are in the table.
    let firsts = table.len().saturating_sub(NEAR).max(1);
    let first = usize::try_from(hash).unwrap_or(0) % firsts;
    let mut places = table.iter_mut().skip(first).take(NEAR);
    match places.find(|row| row[1] == 0 || row[0] == address) {
        Some(row) => {
            row[0] = address;
            row[1] += 1;
            true
        }
        None => false,
    }
}

/// Sorts rows, each by its number at `by`.
fn sort(rows: &mut [Row], by: usize) {
    let mut gap = rows.len() / 2;
    while gap > 0 {
        for end in gap..rows.len() {
            let mut at = end;
            while at >= gap && rows[at - gap][by] > rows[at][by] {
                rows.swap(at - gap, at);
                at -= gap;
            }
        }
        gap /= 2;
    }
}

/// The rows of a table that are in use, in order of their addresses.
pub(super) fn in_order(table: &mut [Row]) -> &mut [Row] {
    let mut used = 0;
    for at in 0..table.len() {
        if table[at][1] > 0 {
            table.swap(used, at);
            used += 1;
        }
    }
    let rows = &mut table[..used];
    sort(rows, 0);
    rows
}

/// The name that a row stands for.
pub(super) fn name(texts: &[u8], [row, ..]: Row) -> &str {
    let place = usize::try_from(row & !KERNEL).unwrap_or(usize::MAX);
    let text = texts.chunks(LONGEST).nth(place).unwrap_or(&[]);
    from_utf8(trimmed(text)).unwrap_or("")
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or(text)
}

/// Rows that get names: of all symbols at or below an address the nearest.
pub(super) struct Names<'r> {
    rows: &'r mut [Row],
    /// A name for each row: that of the nearest symbol above all rows in front
    /// of it.
    texts: Scratch,
}

impl<'r> Names<'r> {
    /// Rows in order of their addresses. `None` without memory for the names.
    pub(super) fn new(rows: &'r mut [Row]) -> Option<Self> {
        let texts = Scratch::new((rows.len() + 1) * LONGEST)?;
        Some(Self { rows, texts })
    }

    /// Takes all symbols; whether there was one with an address.
    pub(super) fn read(&mut self) -> bool {
        let mut any = false;
        each_line("/proc/kallsyms", &mut |line| any |= self.take(line));
        any
    }

    /// Takes a line, `address kind name`; whether it has an address.
    fn take(&mut self, line: &str) -> bool {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or("");
        let (base, kind, name) = (next(), next(), next());
        let base = u64::from_str_radix(base, 16).unwrap_or(0);
        let at = self.rows.partition_point(|row| row[0] < base);
        let texts = self.texts.bytes().chunks_mut(LONGEST);
        let rows = self.rows.iter_mut().zip(texts);
        if let Some((row, text)) = rows.skip(at).next() {
            // What is no function only says where the one before ends.
            let function = ["T", "t", "W", "w"].contains(&kind);
            let name = if function { name.as_bytes() } else { &[] };
            let better = || rank(name) < rank(trimmed(text));
            if base > row[2] || base == row[2] && better() {
                row[2] = base;
                let len = name.len().min(text.len());
                text.fill(0);
                text[..len].copy_from_slice(&name[..len]);
            }
        }
        base > 0
    }

    /// Makes a row of each function, in order of their counts, in place of the
    /// first; how many that are, and the names.
    pub(super) fn united(self) -> (usize, Scratch) {
        let rows = self.rows;
        let (mut kept, mut nearest) = (0, 0);
        for at in 0..rows.len() {
            let [address, count, base] = rows[at];
            let kernel = address >= KERNEL;
            let first = kept == 0 || rows[kept - 1][0] < KERNEL;
            if kernel && !first && base <= nearest {
                rows[kept - 1][1] += count;
                continue;
            }
            let place = if kernel { KERNEL | at as u64 } else { address };
            rows[kept] = [place, count, 0];
            nearest = base;
            kept += 1;
        }
        sort(&mut rows[..kept], 1);
        (kept, self.texts)
    }
}

/// The lower, the more a name is the one that people use, of those that a
/// function has.
fn rank(name: &[u8]) -> (bool, usize, usize, &[u8]) {
    let plain = name.iter().position(|&byte| byte != b'_').unwrap_or(0);
    let (line, rest) = name.split_at(plain);
    (name.is_empty(), line.len(), rest.len(), rest)
}

#[cfg(test)]
mod tests {
    use super::{Names, Row, count, in_order, name};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeMap;
    use std::format;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    fn named(table: &mut [Row], symbols: &str) -> Vec<(u64, String)> {
        let mut names = Names::new(in_order(table)).unwrap();
        for line in symbols.lines() {
            let _any = names.take(line);
        }
        let (kept, texts) = names.united();
        let all = table[..kept].iter().map(|row| {
            let of = match row[0] >> 63 {
                0 => format!("{:#x}", row[0]),
                _ => name(texts.read(), *row).to_string(),
            };
            (row[1], of)
        });
        all.collect()
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
            (1, ""),
            (2, "schedule.cold"),
            (5, ""),
            (7, "0x201004"),
            (8, "schedule"),
            (9, "0x201000"),
            (20, "after"),
            (30, "first"),
            (40, "second"),
            (50, "between"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_table_that_is_full_says_so() {
        let mut table = vec![[0; 3]; 128];
        let fits = (1..1000_u64).filter(|&n| count(&mut table, n * 64));
        let fits = fits.count();
        assert!((64..=128).contains(&fits), "{fits}");
        assert!(count(&mut table, 64));
        let rows = in_order(&mut table);
        assert_eq!(rows.len(), fits);
        let sum: u64 = rows.iter().map(|row| row[1]).sum();
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
            prop_assert!(found.is_sorted_by_key(|row| row.0));
            let mut found = found;
            found.sort();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_text_panics(text in "([0-9a-f]{1,20} [tTD] )?.{0,200}") {
            let mut table = vec![[0; 3]; 64];
            count(&mut table, u64::MAX);
            let found = named(&mut table, &text);
            prop_assert_eq!(found.len(), 1);
        }
    }
}
