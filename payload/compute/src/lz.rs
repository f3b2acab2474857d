//! A compressor of the LZ4 class: greedy matches of at least four bytes,
//! found through a small table of hashes, written in the LZ4 block format.

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Longest input.
pub const MAX_INPUT: usize = 64 * 1024;
/// Bits of a hash.
const HASH_BITS: u32 = 12;
/// Shortest match.
const MIN_MATCH: usize = 4;
/// The format wants this many literals at the end …
const LAST_LITERALS: usize = 5;
/// … and no match to begin in this many bytes before it.
const MATCH_LIMIT: usize = 12;

/// Bytes that an input of `len` takes at most.
#[must_use]
pub const fn bound(len: usize) -> usize {
    len + len / 255 + 16
}

/// Where the output goes.
struct Out<'o> {
    bytes: &'o [AtomicU8],
    used: usize,
}

impl Out<'_> {
    fn push(&mut self, byte: usize) {
        if let Some(to) = self.bytes.get(self.used) {
            to.store(u8::try_from(byte & 0xff).unwrap_or(0), Relaxed);
            self.used += 1;
        }
    }

    /// What is left of a length that its four bits could not hold.
    fn rest(&mut self, len: usize) {
        if let Some(mut left) = len.checked_sub(15) {
            while left >= 255 {
                self.push(255);
                left -= 255;
            }
            self.push(left);
        }
    }

    fn literals(&mut self, literals: &[AtomicU8], match_nibble: usize) {
        let len = literals.len();
        self.push(len.min(15) << 4 | match_nibble);
        self.rest(len);
        for byte in literals {
            self.push(byte.load(Relaxed).into());
        }
    }
}

fn four(input: &[AtomicU8], at: usize) -> u32 {
    let bytes = input.get(at..at + 4).unwrap_or(&[]);
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u32::from(byte.load(Relaxed)))
}

/// Compresses `input`, at most [`MAX_INPUT`] bytes of it, into `out`, which
/// has room for [`bound`] of it. Returns the bytes used.
pub fn compress(input: &[AtomicU8], out: &[AtomicU8]) -> usize {
    let input = input.get(..MAX_INPUT).unwrap_or(input);
    let mut table = [0_u16; 1 << HASH_BITS];
    let mut out = Out {
        bytes: out,
        used: 0,
    };
    let (mut at, mut anchor) = (0, 0);
    while at + MATCH_LIMIT < input.len() {
        let word = four(input, at);
        let hash = word.wrapping_mul(2_654_435_761) >> (32 - HASH_BITS);
        let entry = &mut table[hash as usize];
        let from = usize::from(*entry);
        *entry = u16::try_from(at).unwrap_or(0);
        // An entry of 0 is the first byte or none; either way it is looked
        // at.
        if from >= at || four(input, from) != word {
            at += 1;
            continue;
        }
        let end = input.len() - LAST_LITERALS;
        let same = input[from + MIN_MATCH..]
            .iter()
            .zip(&input[at + MIN_MATCH..end])
            .take_while(|(a, b)| a.load(Relaxed) == b.load(Relaxed))
            .count();
        out.literals(&input[anchor..at], same.min(15));
        out.push(at - from);
        out.push((at - from) >> 8);
        out.rest(same);
        at += MIN_MATCH + same;
        anchor = at;
    }
    out.literals(&input[anchor..], 0);
    out.used
}

#[cfg(test)]
mod tests {
    use super::{bound, compress};
    use core::sync::atomic::AtomicU8;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::vec::Vec;

    /// A decoder of the block format, written from its description.
    fn expand(block: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = block.iter().map(|&b| usize::from(b));
        while let Some(token) = bytes.next() {
            let long =
                |nibble: usize, bytes: &mut dyn Iterator<Item = usize>| {
                    let mut len = nibble;
                    if nibble == 15 {
                        loop {
                            let more = bytes.next().unwrap();
                            len += more;
                            if more < 255 {
                                break;
                            }
                        }
                    }
                    len
                };
            let literals = long(token >> 4, &mut bytes);
            for _ in 0..literals {
                out.push(u8::try_from(bytes.next().unwrap()).unwrap());
            }
            let Some(low) = bytes.next() else {
                break;
            };
            let offset = low | bytes.next().unwrap() << 8;
            for _ in 0..long(token & 15, &mut bytes) + 4 {
                out.push(out[out.len() - offset]);
            }
        }
        out
    }

    fn round_trip(input: &[u8]) -> (Vec<u8>, usize) {
        let cells = |bytes: &[u8]| -> Vec<AtomicU8> {
            bytes.iter().map(|&b| AtomicU8::new(b)).collect()
        };
        let out = cells(&std::vec![0; bound(input.len())]);
        let used = compress(&cells(input), &out);
        let block: Vec<_> = out
            .into_iter()
            .take(used)
            .map(AtomicU8::into_inner)
            .collect();
        (expand(&block), used)
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(
            words in proptest::collection::vec(0..4_u8, 0..2000),
            noise in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let input: Vec<u8> = [&words[..], &noise, &words].concat();
            prop_assert_eq!(round_trip(&input).0, input);
        }
    }

    #[test]
    fn repetition_shrinks_and_the_longest_input_fits() {
        let input = b"0123456789abcdef".repeat(4096);
        let (back, used) = round_trip(&input);
        assert!(back == input && used < 400, "{used}");
    }
}
