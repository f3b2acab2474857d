//! Frames put together into the records of each stream.
//!
//! A frame may come any number of times; two versions of one frame, each
//! with a valid CRC, contradict each other, and then neither is believed.

use super::older;
use pidone::wire::frame::{CRC, Frame, StreamId};
use pidone::wire::record::{MAX_RECORD, Record, SCHEMA};
use std::collections::{BTreeMap, BTreeSet};

/// All frames of all streams.
#[derive(Debug, Clone, Default)]
pub struct Frames(BTreeMap<StreamId, BTreeMap<u32, Pieces>>);

/// What has come of one record.
#[derive(Debug, Clone, Default)]
struct Pieces {
    parts: u16,
    bytes: BTreeMap<u16, Vec<u8>>,
    /// Parts that came in two versions.
    conflicts: BTreeSet<u16>,
}

impl Pieces {
    fn whole(&self) -> Option<Vec<u8>> {
        let whole = self.bytes.len() == usize::from(self.parts)
            && self.conflicts.is_empty();
        let bytes = || self.bytes.values().flatten().copied().collect();
        whole
            .then(bytes)
            .filter(|b: &Vec<u8>| b.len() <= MAX_RECORD)
    }
}

/// Numbers of records that are lost, first and last.
pub type Lost = [u32; 2];

/// One stream, taken apart.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The bytes of all records that decode, by record number, as sent.
    pub bytes: BTreeMap<u32, Vec<u8>>,
    /// Those of an older schema as this one has them.
    pub upgraded: BTreeMap<u32, Vec<u8>>,
    /// Records that must have been sent and are not in `bytes`.
    pub lost: Vec<Lost>,
    /// Contradictions, one line each.
    pub errors: Vec<String>,
    /// The stream is of another wire schema, in words.
    pub foreign: Option<String>,
}

impl Frames {
    /// Adds a frame, and returns the bytes of its record if this frame
    /// completed it.
    pub fn add(&mut self, frame: Frame) -> Option<Vec<u8>> {
        let pieces = self
            .0
            .entry(frame.stream)
            .or_default()
            .entry(frame.record)
            .or_default();
        if pieces.bytes.is_empty() {
            pieces.parts = frame.parts;
        }
        if let Some(bytes) = pieces.bytes.get(&frame.part)
            && *bytes == *frame.bytes
            && pieces.parts == frame.parts
        {
            return None;
        }
        let other = pieces.bytes.insert(frame.part, frame.bytes.to_vec());
        if other.is_some() || pieces.parts != frame.parts {
            pieces.conflicts.insert(frame.part);
        }
        pieces.whole()
    }

    /// Whether a frame of this stream, record and part has come.
    #[must_use]
    pub fn has(&self, [stream, record, part]: [u32; 3]) -> bool {
        let pieces = self.0.get(&StreamId::new(stream));
        let pieces = pieces.and_then(|records| records.get(&record));
        let part = u16::try_from(part).ok();
        part.is_some_and(|part| {
            pieces.is_some_and(|pieces| pieces.bytes.contains_key(&part))
        })
    }

    /// The streams, in no order that matters.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.0.keys().copied()
    }

    /// Whether `frame` would fill a hole in a stream that has been seen.
    #[must_use]
    pub fn wants(&self, frame: &Frame) -> bool {
        let Some(records) = self.0.get(&frame.stream) else {
            return false;
        };
        match records.get(&frame.record) {
            Some(pieces) => {
                pieces.parts == frame.parts
                    && !pieces.bytes.contains_key(&frame.part)
            }
            None => true,
        }
    }

    /// The records of `stream`, and what is wrong with them.
    #[must_use]
    pub fn records(&self, stream: StreamId) -> Records {
        let mut all = Records::default();
        let Some(records) = self.0.get(&stream) else {
            return all;
        };
        let schema = schema(records);
        let old = schema == Some(older::OLDER);
        for (&number, pieces) in records {
            for part in &pieces.conflicts {
                all.errors.push(format!(
                    "record {number} of stream {stream}: part {part} came \
                     in two versions, both with a valid checksum"
                ));
            }
            let Some(bytes) = pieces.whole() else {
                continue;
            };
            let mut read = Record::decode(&bytes).map(drop);
            if (old || read.is_err())
                && let Some(upgraded) = older::upgraded(&bytes)
            {
                all.upgraded.insert(number, upgraded);
                read = Ok(());
            }
            match read {
                Ok(()) => {
                    all.bytes.insert(number, bytes);
                }
                Err(why) => all.errors.push(format!(
                    "record {number} of stream {stream} does not decode: \
                     {why}"
                )),
            }
        }
        if let Some(schema) = schema.filter(|&n| n != SCHEMA && !old) {
            all.bytes.clear();
            let why = format!(
                "stream {stream} has wire schema {schema}, this decoder \
                 reads schemas {} and {SCHEMA}: use the decoder of that \
                 release",
                older::OLDER
            );
            all.errors = vec![why.clone()];
            all.foreign = Some(why);
        }
        all.check_end(stream);
        all.lost = all.holes(records.keys().next_back().copied());
        all.check_sum(stream);
        all
    }
}

impl Records {
    /// The closing record, its number first.
    fn bye(&self) -> Option<(u32, pidone::wire::record::Bye)> {
        self.bytes.iter().find_map(|(&number, bytes)| {
            match Record::decode(bytes) {
                Ok(Record::Bye(bye)) => Some((number, bye)),
                _ => None,
            }
        })
    }

    /// What is missing below the end that `Bye` marks, or else up to the
    /// highest number of which at least one frame came.
    fn holes(&self, highest: Option<u32>) -> Vec<Lost> {
        let end = match (self.bye(), highest) {
            (Some((number, _)), _) => u64::from(number),
            (None, Some(highest)) => u64::from(highest) + 1,
            (None, None) => 0,
        };
        let mut holes = Vec::new();
        let mut next = 0;
        let ends = self.bytes.keys().map(|&n| u64::from(n)).chain([end]);
        for number in ends.filter(|&n| n <= end) {
            if let Some(last) = number.checked_sub(1)
                && last >= next
                && let (Ok(first), Ok(last)) =
                    (u32::try_from(next), u32::try_from(last))
            {
                holes.push([first, last]);
            }
            next = number + 1;
        }
        holes
    }

    fn check_end(&mut self, stream: StreamId) {
        let Some((number, bye)) = self.bye() else {
            return;
        };
        if number != bye.records {
            self.errors.push(format!(
                "stream {stream} ends with record {number} and says that \
                 {} came before it",
                bye.records
            ));
        }
        if let Some((last, _)) = self.bytes.last_key_value()
            && *last > number
        {
            self.errors.push(format!(
                "stream {stream} goes on to record {last} after it ended \
                 with record {number}"
            ));
        }
    }

    fn check_sum(&mut self, stream: StreamId) {
        let Some((number, bye)) = self.bye() else {
            return;
        };
        let mut sum = CRC.digest();
        for bytes in self.bytes.range(..number).map(|(_, bytes)| bytes) {
            sum.update(bytes);
        }
        let sum = sum.finalize();
        if self.lost.is_empty() && sum != bye.crc {
            self.errors.push(format!(
                "stream {stream}: the records' checksum is {sum:08x}, sent \
                 was {:08x}",
                bye.crc
            ));
        }
    }
}

/// The schema number in `Hello`. `Hello` is variant 0 and the schema its
/// first field in every schema, both as LEB128 numbers.
fn schema(records: &BTreeMap<u32, Pieces>) -> Option<u32> {
    let bytes = records.get(&0)?.whole()?;
    match postcard::take_from_bytes::<(u32, u32)>(&bytes) {
        Ok(((0, schema), _)) => Some(schema),
        _ => None,
    }
}
