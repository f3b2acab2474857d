//! What a plan tells work of one's own.

use crate::kit::text::{digits, signed};
use crate::row::{Metric, Param, Work};

/// Numbers, switches and bytes for work of one's own, in the form in which a
/// C program finds them. Their meaning is its author's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct CustomCfg {
    /// `custom.u64.0` to `custom.u64.3`.
    pub u64s: [u64; 4],
    /// `custom.i64.0` to `custom.i64.3`.
    pub i64s: [i64; 4],
    /// `custom.i32.0` to `custom.i32.3`.
    pub i32s: [i32; 4],
    /// `custom.bool.0` to `custom.bool.3`.
    pub bools: [bool; 4],
    /// Bytes of `blob` that `custom.blob` gave.
    pub blob_len: u32,
    /// `custom.blob`, and zeroes behind it.
    pub blob: [u8; Self::BLOB],
}

impl CustomCfg {
    /// Most bytes of a blob.
    pub const BLOB: usize = 256;
    /// 64-bit words that hold it.
    pub const WORDS: usize = size_of::<Self>() / 8;

    /// That of a work type whose parameters are [`PARAMS`].
    #[must_use]
    pub fn of(work: &Work<'_>) -> Self {
        let mut blob = [0; Self::BLOB];
        let hex = work.text(&BLOB).as_bytes();
        for (byte, pair) in blob.iter_mut().zip(hex.chunks_exact(2)) {
            // `is_blob` has seen nothing but digits.
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            let value = digit(0).zip(digit(1)).map(|(h, l)| h << 4 | l);
            *byte = value.and_then(|v| u8::try_from(v).ok()).unwrap_or(0);
        }
        Self {
            u64s: texts(work, U64).map(|text| digits(text).unwrap_or(0)),
            i64s: texts(work, I64).map(|text| signed(text).unwrap_or(0)),
            i32s: texts(work, I32).map(|text| small(text).unwrap_or(0)),
            bools: core::array::from_fn(|i| work.flag(&PARAMS[BOOL + i])),
            blob_len: u32::try_from(hex.len() / 2).unwrap_or(0),
            blob,
        }
    }

    /// The words that it is in memory.
    #[must_use]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let mut bytes = [0; Self::WORDS * 8];
        let mut rest = &mut bytes[..];
        let mut put = |field: &[u8]| {
            if let Some(to) = rest.split_off_mut(..field.len()) {
                to.copy_from_slice(field);
            }
        };
        self.u64s.iter().for_each(|n| put(&n.to_ne_bytes()));
        self.i64s.iter().for_each(|n| put(&n.to_ne_bytes()));
        self.i32s.iter().for_each(|n| put(&n.to_ne_bytes()));
        self.bools.iter().for_each(|&on| put(&[u8::from(on)]));
        put(&self.blob_len.to_ne_bytes());
        put(&self.blob);
        let mut words = [0; Self::WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }
}

fn texts<'t>(work: &Work<'t>, first: usize) -> [&'t str; 4] {
    core::array::from_fn(|i| work.text(&PARAMS[first + i]))
}

/// The work type that stands for all of one's own in a plan.
pub const CUSTOM: &str = "Custom";
/// Most arguments of a program.
pub const MAX_ARGS: usize = 8;
/// Where the arguments start in [`PARAMS`].
pub const ARG: usize = 4;
const U64: usize = ARG + MAX_ARGS;
const I64: usize = U64 + 4;
const I32: usize = I64 + 4;
const BOOL: usize = I32 + 4;

/// The program.
pub const EXEC: Param = Param::text(
    0,
    "custom.exec",
    &"an absolute path of at most 255 bytes",
    |text| text.is_empty() || text.starts_with('/') && is_text(text),
    "the program to run",
);

/// The type.
pub const NAME: Param = Param::text(
    1,
    "custom.name",
    &"the name of a type that the payload's own crate registered",
    |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
    "the registered type to run",
);

/// Who waits for the start.
pub const START: Param = Param::choice(
    2,
    "custom.start",
    &["exec", "ready"],
    "started at the start, or before it to set itself up",
);

/// Memory for the group.
pub const SHARED: Param = Param::count(
    3,
    "custom.shared_bytes",
    0,
    (0, 1 << 40),
    "bytes of memory that the programs of the group share",
);

const BLOB: Param = Param::text(
    BOOL + 4,
    "custom.blob",
    &"an even number of at most 512 hexadecimal digits",
    is_blob,
    "bytes for the author",
);

/// The parameters of all work of one's own.
pub const PARAMS: &[Param] = &[
    EXEC,
    NAME,
    START,
    SHARED,
    arg(0, "custom.arg.0"),
    arg(1, "custom.arg.1"),
    arg(2, "custom.arg.2"),
    arg(3, "custom.arg.3"),
    arg(4, "custom.arg.4"),
    arg(5, "custom.arg.5"),
    arg(6, "custom.arg.6"),
    arg(7, "custom.arg.7"),
    unsigned(0, "custom.u64.0"),
    unsigned(1, "custom.u64.1"),
    unsigned(2, "custom.u64.2"),
    unsigned(3, "custom.u64.3"),
    long(0, "custom.i64.0"),
    long(1, "custom.i64.1"),
    long(2, "custom.i64.2"),
    long(3, "custom.i64.3"),
    int(0, "custom.i32.0"),
    int(1, "custom.i32.1"),
    int(2, "custom.i32.2"),
    int(3, "custom.i32.3"),
    switch(0, "custom.bool.0"),
    switch(1, "custom.bool.1"),
    switch(2, "custom.bool.2"),
    switch(3, "custom.bool.3"),
    BLOB,
];

/// Samples that were overwritten before they were read.
pub const LOST: Metric = Metric::sum(
    0,
    "samples_lost",
    "samples that were overwritten before they were read",
);

const fn arg(i: usize, name: &'static str) -> Param {
    let rule = &"a text of at most 255 bytes without control characters";
    Param::text(ARG + i, name, rule, is_text, "an argument of the program")
}

const MEANING: &str = "a number for the author";

const fn unsigned(i: usize, name: &'static str) -> Param {
    let rule = &"a whole number from 0 to 18446744073709551615";
    Param::text(U64 + i, name, rule, |text| is(text, digits(text)), MEANING)
}

const fn long(i: usize, name: &'static str) -> Param {
    let rule = &"a whole number from -9223372036854775808 to \
                 9223372036854775807";
    Param::text(I64 + i, name, rule, |text| is(text, signed(text)), MEANING)
}

const fn int(i: usize, name: &'static str) -> Param {
    let rule = &"a whole number from -2147483648 to 2147483647";
    Param::text(I32 + i, name, rule, |text| is(text, small(text)), MEANING)
}

const fn switch(i: usize, name: &'static str) -> Param {
    Param::flag(BOOL + i, name, "a switch for the author")
}

fn is_text(text: &str) -> bool {
    text.len() < 256 && !text.contains(|c: char| c.is_control())
}

/// Nothing, which stands for 0, or a number.
fn is<T>(text: &str, number: Option<T>) -> bool {
    text.is_empty() || number.is_some()
}

fn small(text: &str) -> Option<i32> {
    i32::try_from(signed(text)?).ok()
}

fn is_blob(text: &str) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    digits && text.len().is_multiple_of(2) && text.len() <= 2 * CustomCfg::BLOB
}

/// The arguments of the program: up to the last that is not empty.
pub fn args<'t>(work: &Work<'t>) -> impl Iterator<Item = &'t str> {
    let all: [&str; MAX_ARGS] =
        core::array::from_fn(|i| work.text(&PARAMS[ARG + i]));
    let used = all.iter().rposition(|arg| !arg.is_empty());
    all.into_iter().take(used.map_or(0, |last| last + 1))
}

/// Checks that a registered type has no parameters that are not its own.
///
/// # Errors
///
/// It has.
pub fn check_type(work: &Work<'_>) -> Result<(), &'static str> {
    let rule = "custom.exec, custom.name, custom.start, custom.shared_bytes \
                and custom.arg are not for a registered type";
    let mut others = PARAMS.iter().take(U64);
    match others.find(|param| work.value(param) != param.kind.default()) {
        Some(_) => Err(rule),
        None => Ok(()),
    }
}

/// Checks that it is clear what to run.
///
/// # Errors
///
/// Nothing, or a program and a type.
pub fn check(work: &Work<'_>) -> Result<(), &'static str> {
    match (work.text(&EXEC), work.text(&NAME)) {
        ("", "") => Err(
            "it needs a program, custom.exec=/bin/app, or a registered type, \
             custom.name=MyWork",
        ),
        (_, "") | ("", _) => Ok(()),
        _ => Err("custom.exec and custom.name exclude each other"),
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomCfg, PARAMS, args};
    use crate::plan::Plan;
    use crate::plan::run::Run;
    use crate::plan::sources::Sources;
    use crate::plan::token::Source;
    use core::mem::offset_of;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn run(words: &str) -> Result<Run<'_>, String> {
        let args = Source::args(words);
        let sources = Sources {
            args,
            ..Sources::default()
        };
        let plan = Plan::parse(&sources).map_err(|e| e.to_string())?;
        Ok(plan.distinct()[0].clone())
    }

    #[test]
    fn values_come_through() {
        let run = run("work=Custom custom.exec=/bin/app custom.arg.0=a \
                       \"custom.arg.2=b c\" custom.u64.3=18446744073709551615 \
                       custom.i64.0=-9223372036854775808 custom.i32.1=-7 \
                       custom.bool.2=on custom.blob=00fF10")
        .unwrap();
        let work = &run.groups[0].work;
        assert_eq!(args(work).collect::<Vec<_>>(), ["a", "", "b c"]);
        let cfg = CustomCfg::of(work);
        assert_eq!(cfg.u64s, [0, 0, 0, u64::MAX]);
        assert_eq!(cfg.i64s, [i64::MIN, 0, 0, 0]);
        assert_eq!(cfg.i32s, [0, -7, 0, 0]);
        assert_eq!(cfg.bools, [false, false, true, false]);
        assert_eq!(cfg.blob_len, 3);
        assert_eq!(cfg.blob[..4], [0, 0xff, 0x10, 0]);
        // As a program in C finds them.
        let bytes: Vec<u8> =
            cfg.words().iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(bytes.len(), size_of::<CustomCfg>());
        let at = offset_of!(CustomCfg, i32s) + 4;
        assert_eq!(bytes[at..at + 4], (-7_i32).to_ne_bytes());
        assert_eq!(bytes[offset_of!(CustomCfg, bools) + 2], 1);
        let at = offset_of!(CustomCfg, blob_len);
        assert_eq!(bytes[at..at + 4], 3_u32.to_ne_bytes());
        assert_eq!(bytes[offset_of!(CustomCfg, blob) + 1], 0xff);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "00".repeat(257);
        for (words, message) in [
            ("", "it needs a program"),
            ("custom.exec=bin", "custom.exec is an absolute path"),
            ("custom.name=A custom.exec=/b", "exclude each other"),
            ("custom.exec=/b custom.u64.4=1", "no such key here; nearest"),
            ("custom.exec=/b custom.u64.0=-1", "from 0 to 1844674"),
            ("custom.exec=/b custom.i32.0=2147483648", "to 2147483647"),
            ("custom.exec=/b custom.bool.0=2", "`true` or `false`"),
            ("custom.exec=/b custom.blob=0", "an even number"),
            ("custom.exec=/b custom.start=now", "valid are exec, ready"),
            ("custom.exec=/b clone=thread", "clone=fork only"),
        ] {
            let words = std::format!("work=Custom {words}");
            let error = run(&words).expect_err(&words);
            assert!(error.contains(message), "{words}: {error}");
        }
        let words = std::format!("work=Custom custom.blob={long}");
        assert!(run(&words).unwrap_err().contains("at most 512"));
    }

    #[test]
    fn parameters_stand_at_their_index() {
        for (at, param) in PARAMS.iter().enumerate() {
            assert_eq!(param.at(), at, "{}", param.name);
        }
    }
}
