//! Records of the wire schema before this one, as records of this one.
//!
//! Fields only joined since, at the end of a record or of what it holds, and
//! a field that an older payload knows nothing of is absent, 0 or empty: one
//! byte, which is 0 for all of these.

use pidone::wire::record::Record;

/// The older schema that is read.
pub const OLDER: u32 = 1;
/// Which kind of record a worker's is.
const WORKER: u32 = 6;
/// How many fields joined `Effective`, which a worker's record holds.
const JOINED_EFFECTIVE: usize = 1;
/// No record has more that joined at its end.
const MOST: usize = 16;

/// What stands in front of `Effective`'s end in a worker's record.
type Head<'a> = (
    (u32, u16, u16, u32, u32, &'a str),
    (u32, u32, u64, u64, u64, u64, u64, u64),
    [Option<u64>; 11],
    (u64, &'a [u8], u64, u32, u64, u64),
    Option<(u8, u8, i8, &'a [u8], Option<&'a str>, Option<bool>)>,
);

/// The bytes as this schema has them; `None` if they are no such record.
#[must_use]
pub fn upgraded(sent: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = sent.to_vec();
    if let Ok((WORKER, _)) = postcard::take_from_bytes::<u32>(sent) {
        let (head, rest) = postcard::take_from_bytes::<Head<'_>>(sent).ok()?;
        if head.4.is_some() {
            let end = sent.len() - rest.len();
            bytes.splice(end..end, [0; JOINED_EFFECTIVE]);
        }
    }
    for _ in 0..=MOST {
        if Record::decode(&bytes).is_ok() {
            return Some(bytes);
        }
        bytes.push(0);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::upgraded;
    use crate::testing::{Stream, group, worker};
    use pidone::wire::record::Record;

    #[test]
    fn what_joined_since_is_absent() {
        let bytes = Stream::encode(&group(0, "PipeIo", 2));
        let old = upgraded(&bytes[..bytes.len() - 1]).unwrap();
        let Ok(Record::Group(old)) = Record::decode(&old) else {
            panic!("a group");
        };
        assert_eq!(
            (old.work, old.iterations, old.stale),
            ("PipeIo", 48_210, 0)
        );

        let Record::Worker(new) = worker(0, 1) else {
            panic!("a worker");
        };
        let mut effective = new.effective.unwrap();
        effective.timer_slack_ns = None;
        let new = pidone::wire::record::Worker {
            effective: Some(effective),
            ..new
        };
        let bytes = Stream::encode(&Record::Worker(new));
        // An older one ends before `stale`, and its attributes before the
        // slack of timers, which are followed by the pages of nodes.
        let pages = b"\x040=12";
        let at = bytes.windows(5).position(|w| w == pages).unwrap();
        let old = [&bytes[..at - 1], &bytes[at..bytes.len() - 1]].concat();
        assert_eq!(upgraded(&old).unwrap(), bytes);
        assert_eq!(upgraded(b"\xff\xff"), None);
    }
}
