//! Figures whose names only the run knows, in shared memory.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Most bytes of a name.
pub const MAX_NAME: usize = 48;

/// A figure and its name; without a name there is none.
#[derive(Debug)]
#[repr(C)]
pub struct Named {
    value: AtomicU64,
    name: [AtomicU8; MAX_NAME],
}

impl Named {
    /// Sets name and value. Only one task may call it, once; a name that is
    /// too long is cut.
    pub fn set(&self, name: &str, value: u64) {
        self.value.store(value, Relaxed);
        for (to, byte) in self.name.iter().zip(name.bytes()) {
            to.store(byte, Relaxed);
        }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value.load(Relaxed)
    }

    /// Its name, read into `buf`; empty if there is none.
    #[must_use]
    pub fn name<'b>(&self, buf: &'b mut [u8; MAX_NAME]) -> &'b str {
        for (to, from) in buf.iter_mut().zip(&self.name) {
            *to = from.load(Relaxed);
        }
        let end = buf.iter().position(|&byte| byte == 0);
        let name = &buf[..end.unwrap_or(MAX_NAME)];
        core::str::from_utf8(name).unwrap_or("")
    }

    /// Whether it has a name.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.name[0].load(Relaxed) != 0
    }
}

/// Each name among `all` once, with the sum of its values.
pub fn sums(all: &[Named], take: &mut dyn FnMut(&str, u64)) {
    let (mut one, mut other) = ([0; MAX_NAME], [0; MAX_NAME]);
    for (at, figure) in all.iter().enumerate().filter(|(_, f)| f.is_set()) {
        let name = figure.name(&mut one);
        let (before, from) = all.split_at(at);
        if before.iter().any(|f| f.name(&mut other) == name) {
            continue;
        }
        let same = from.iter().filter(|f| f.name(&mut other) == name);
        take(name, same.map(Named::value).fold(0, u64::saturating_add));
    }
}

#[cfg(test)]
mod tests {
    use super::{Named, sums};
    use core::sync::atomic::{AtomicU8, AtomicU64};
    use std::{string::String, vec::Vec};

    #[test]
    fn values_of_one_name_are_added_up() {
        let empty = || Named {
            value: AtomicU64::new(0),
            name: [const { AtomicU8::new(0) }; super::MAX_NAME],
        };
        let all: Vec<Named> = (0..5).map(|_| empty()).collect();
        all[0].set("a", 1);
        all[2].set("b", 2);
        all[3].set("a", 3);
        let mut found = Vec::new();
        sums(&all, &mut |name, sum| found.push((String::from(name), sum)));
        assert_eq!(found, [(String::from("a"), 4), (String::from("b"), 2)]);
    }
}
