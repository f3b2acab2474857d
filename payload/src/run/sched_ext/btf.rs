//! The kernel's types, in the form of `/sys/kernel/btf/vmlinux`.
//!
//! A header, types one behind the other, and their names. A type is three
//! words (name, kind and number of members, size) and what its kind adds
//! (`Documentation/bpf/btf.rst`).

/// Bytes that each kind has behind its three words: once, and for each of
/// its members. In the order of the kinds' numbers.
const EXTRA: [(u8, u8); 20] = [
    (0, 0),
    (4, 0),
    (0, 0),
    (12, 0),
    (0, 12),
    (0, 12),
    (0, 8),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 8),
    (4, 0),
    (0, 12),
    (0, 0),
    (4, 0),
    (0, 0),
    (0, 12),
];
const STRUCT: usize = 4;
const MAGIC: u32 = 0xeb9f;

/// All types.
#[derive(Debug, Clone, Copy)]
pub struct Btf<'b> {
    types: &'b [u8],
    names: &'b [u8],
}

/// A structure.
#[derive(Debug, Clone, Copy)]
pub struct Struct<'b> {
    /// Number of the type.
    pub id: u32,
    /// Its size in bytes.
    pub size: u32,
    members: &'b [u8],
    names: &'b [u8],
}

impl<'b> Btf<'b> {
    /// Types in these bytes. `None` if they are none.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Option<Self> {
        if word(bytes, 0)? & 0xffff != MAGIC {
            return None;
        }
        // Length of the header, then offsets and lengths behind it.
        let head = word(bytes, 4)? as usize;
        let part = |at: usize| {
            let from = head.checked_add(word(bytes, at)? as usize)?;
            let to = from.checked_add(word(bytes, at + 4)? as usize)?;
            bytes.get(from..to)
        };
        let (types, names) = (part(8)?, part(16)?);
        Some(Self { types, names })
    }

    /// The structure of that name.
    #[must_use]
    pub fn structure(&self, name: &str) -> Option<Struct<'b>> {
        let mut rest = self.types;
        let mut id = 1;
        loop {
            let info = word(rest, 4)?;
            let kind = (info >> 24 & 0x1f) as usize;
            let (once, each) = EXTRA.get(kind)?;
            let members = (info & 0xffff) as usize * usize::from(*each);
            let (own, next) =
                rest.split_at_checked(12 + usize::from(*once) + members)?;
            if kind == STRUCT && named(self.names, word(own, 0)?, name) {
                return Some(Struct {
                    id,
                    size: word(own, 8)?,
                    members: own.get(12..)?,
                    names: self.names,
                });
            }
            (rest, id) = (next, id + 1);
        }
    }
}

impl Struct<'_> {
    /// The number of a member, and its offset in bytes.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<(u32, usize)> {
        // Name, type, and offset in bits; of bit fields, none of which is
        // asked for, the offset has the size above it.
        let mut members = (0..).zip(self.members.chunks_exact(12));
        let found = members.find(|(_, member)| {
            word(member, 0).is_some_and(|at| named(self.names, at, name))
        });
        let (index, member) = found?;
        Some((index, (word(member, 8)? & 0x00ff_ffff) as usize / 8))
    }
}

/// The 32-bit word at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Whether that is the name that starts at `at`.
fn named(names: &[u8], at: u32, name: &str) -> bool {
    let rest = names.get(at as usize..);
    let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes()));
    rest.is_some_and(|rest| rest.first() == Some(&0))
}

#[cfg(test)]
mod tests {
    use super::Btf;
    use proptest::prelude::{any, proptest};
    use std::vec::Vec;

    /// One type of each kind, and two structures, the second with a bit
    /// field in front.
    fn sample() -> Vec<u8> {
        let names = b"\0ops\0a\0enqueue\0name\0opsy\0";
        let mut types: Vec<u32> = Vec::new();
        let mut add = |name: u32, kind: u32, n: u32, rest: &[u32]| {
            types.extend([name, kind << 24 | n, 16]);
            types.extend(rest);
        };
        add(0, 1, 0, &[32]);
        add(0, 2, 0, &[]);
        add(0, 3, 0, &[1, 1, 8]);
        add(20, 4, 1, &[5, 1, 0]);
        add(0, 6, 2, &[5, 0, 5, 1]);
        add(1, 7, 0, &[]);
        add(0, 13, 2, &[0, 1, 0, 1]);
        add(0, 14, 0, &[1]);
        add(0, 15, 1, &[1, 0, 4]);
        add(0, 17, 0, &[0]);
        add(0, 19, 1, &[5, 0, 0]);
        add(1, 4 | 0x80, 3, &[5, 1, 3 << 24, 7, 2, 64, 15, 1, 96]);
        let types: Vec<u8> =
            types.iter().flat_map(|word| word.to_le_bytes()).collect();
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let head = [0x0001_eb9f, 24, 0, len(&types), len(&types), len(names)];
        let mut all: Vec<u8> =
            head.iter().flat_map(|word| word.to_le_bytes()).collect();
        all.extend(types);
        all.extend(names);
        all
    }

    #[test]
    fn structures_and_their_members_are_found() {
        let bytes = sample();
        let btf = Btf::new(&bytes).unwrap();
        let ops = btf.structure("ops").unwrap();
        assert_eq!((ops.id, ops.size), (12, 16));
        assert_eq!(ops.member("a"), Some((0, 0)));
        assert_eq!(ops.member("enqueue"), Some((1, 8)));
        assert_eq!(ops.member("name"), Some((2, 12)));
        assert_eq!(ops.member("nam"), None);
        assert_eq!(btf.structure("opsy").unwrap().id, 4);
        assert!(btf.structure("op").is_none());
        assert!(Btf::new(&bytes[1..]).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in 0_usize..260, byte in any::<u8>()) {
            let mut bytes = sample();
            if let Some(cell) = bytes.get_mut(at) {
                *cell = byte;
            }
            for bytes in [&bytes[..], &bytes[..at.min(bytes.len())]] {
                let ops = Btf::new(bytes).and_then(|b| b.structure("ops"));
                let _found = ops.map(|ops| ops.member("name"));
            }
        }
    }
}
