//! Sets of CPUs in the kernel's list syntax.

use crate::kit::text::digits;
use core::fmt;
use rustix::thread::CpuSet;

/// CPUs a set can hold.
pub const MAX_CPUS: u32 = 1024;

/// A set of CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cpus([u64; 16]);

impl Cpus {
    /// The empty set.
    pub const EMPTY: Self = Self([0; 16]);

    /// Parses `0-3,8`. `None` for anything else, an empty list included.
    #[must_use]
    pub fn parse(list: &str) -> Option<Self> {
        let mut cpus = Self::EMPTY;
        for range in list.trim_ascii_end().split(',') {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let (low, high) = (number(low)?, number(high)?);
            if low > high {
                return None;
            }
            (low..=high).try_for_each(|cpu| cpus.insert(cpu))?;
        }
        Some(cpus)
    }

    /// Adds a CPU. `None` if the set cannot hold it.
    pub fn insert(&mut self, cpu: u32) -> Option<()> {
        *self.0.get_mut(cpu as usize / 64)? |= 1 << (cpu % 64);
        Some(())
    }

    /// Whether it has a CPU.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        let word = self.0.get(cpu as usize / 64).copied().unwrap_or(0);
        word >> (cpu % 64) & 1 == 1
    }

    /// The CPUs, in rising order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        (0..MAX_CPUS).filter(|&cpu| self.contains(cpu))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 16]
    }

    /// The CPUs in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = *self;
        for (word, other) in both.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
        both
    }

    /// The CPUs in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut all = *self;
        for (word, other) in all.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
        all
    }

    /// The words of the bitmap, low CPUs first.
    #[must_use]
    pub fn words(&self) -> &[u64; 16] {
        &self.0
    }

    /// The set with this bitmap.
    #[must_use]
    pub fn from_words(words: [u64; 16]) -> Self {
        Self(words)
    }

    /// As the kernel calls take it.
    #[must_use]
    pub fn to_set(&self) -> CpuSet {
        let mut set = CpuSet::new();
        self.iter().for_each(|cpu| set.set(cpu as usize));
        set
    }

    /// From what a kernel call gave.
    #[must_use]
    pub fn from_set(set: &CpuSet) -> Self {
        let mut cpus = Self::EMPTY;
        for cpu in (0..MAX_CPUS).filter(|&cpu| set.is_set(cpu as usize)) {
            // Below MAX_CPUS, so it fits.
            let _fits = cpus.insert(cpu);
        }
        cpus
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let mut cpu = 0;
        while cpu < MAX_CPUS {
            if !self.contains(cpu) {
                cpu += 1;
                continue;
            }
            let low = cpu;
            while self.contains(cpu + 1) {
                cpu += 1;
            }
            match cpu - low {
                0 => write!(f, "{comma}{low}")?,
                _ => write!(f, "{comma}{low}-{cpu}")?,
            }
            comma = ",";
            cpu += 1;
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<u32> {
    u32::try_from(digits(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::Cpus;
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::string::ToString;

    #[test]
    fn what_is_not_a_list_is_refused() {
        for bad in ["", "a", "3-1", "1,,2", "-1", "1024", "+1", "1-", " 1"] {
            assert_eq!(Cpus::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn lists_come_back(
            cpus in proptest::collection::btree_set(0..1024_u32, 1..40),
        ) {
            let mut set = Cpus::EMPTY;
            cpus.iter().for_each(|&cpu| set.insert(cpu).unwrap());
            let text = set.to_string();
            prop_assert_eq!(Cpus::parse(&text), Some(set));
            prop_assert_eq!(Cpus::from_set(&set.to_set()), set);
            prop_assert_eq!(set.len() as usize, cpus.len());
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _cpus = Cpus::parse(&text);
        }
    }
}
