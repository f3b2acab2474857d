//! Parameters of work types, and their values in a plan.

use crate::kit::stop::ThinStr;
use crate::row::doc::{Doc, doc};
use core::time::Duration;

/// Most parameters one work type has.
pub const MAX_PARAMS: usize = 40;

/// A parameter: its place, name, kind and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its index in the row's `params`.
    pub index: u8,
    /// The key in the plan.
    pub name: &'static str,
    /// Kind, range and default.
    pub kind: Kind,
    /// One line, lower case.
    pub summary: Doc,
}

impl Param {
    /// Its place among those of its row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.index as usize
    }

    /// A whole number from `min` to `max`.
    #[must_use]
    pub const fn count(
        index: usize,
        name: &'static str,
        default: u64,
        (min, max): (u64, u64),
        summary: &'static str,
    ) -> Self {
        let kind = Kind::Count {
            default: narrow(default),
            min: narrow(min),
            max,
        };
        Self::new(index, name, kind, summary)
    }

    /// Spin steps or other work of a loop, 0 to 10⁹.
    #[must_use]
    pub const fn steps(
        index: usize,
        name: &'static str,
        default: u64,
        summary: &'static str,
    ) -> Self {
        Self::count(index, name, default, (0, 1_000_000_000), summary)
    }

    /// A whole number, or a word that means "leave it alone".
    #[must_use]
    pub const fn count_or(
        index: usize,
        name: &'static str,
        word: ThinStr,
        (min, max): (u32, u32),
        summary: &'static str,
    ) -> Self {
        Self::new(index, name, Kind::CountOr { word, min, max }, summary)
    }

    /// A duration of up to [`LONGEST`]; the default is in µs.
    #[must_use]
    pub const fn duration(
        index: usize,
        name: &'static str,
        default_us: u64,
        min: Duration,
        summary: &'static str,
    ) -> Self {
        let kind = Kind::Duration {
            default_us: narrow(default_us),
            min_ns: narrow(nanos(min)),
        };
        Self::new(index, name, kind, summary)
    }

    /// A switch, off by default.
    #[must_use]
    pub const fn flag(
        index: usize,
        name: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(index, name, Kind::Flag { default: false }, summary)
    }

    /// One of a list of words, the first by default.
    #[must_use]
    pub const fn choice(
        index: usize,
        name: &'static str,
        names: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self::new(index, name, Kind::Choice { default: 0, names }, summary)
    }

    /// One of a list of words, the last by default.
    #[must_use]
    pub const fn last_choice(
        index: usize,
        name: &'static str,
        names: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        let default = place(names.len() - 1);
        Self::new(index, name, Kind::Choice { default, names }, summary)
    }

    /// Text that `check` accepts; empty by default.
    #[must_use]
    pub const fn text(
        index: usize,
        name: &'static str,
        rule: ThinStr,
        check: fn(&str) -> bool,
        summary: &'static str,
    ) -> Self {
        Self::new(index, name, Kind::Text { rule, check }, summary)
    }

    /// Any kind.
    #[must_use]
    pub const fn new(
        index: usize,
        name: &'static str,
        kind: Kind,
        summary: &'static str,
    ) -> Self {
        Self {
            index: place(index),
            name,
            kind,
            summary: doc(summary),
        }
    }
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number.
    Count {
        /// Used when the plan is silent.
        default: u32,
        /// Smallest valid value.
        min: u32,
        /// Largest valid value.
        max: u64,
    },
    /// A whole number, or one word that means "leave it alone".
    CountOr {
        /// The word, which is the default.
        word: ThinStr,
        /// Smallest valid value.
        min: u32,
        /// Largest valid value.
        max: u32,
    },
    /// A duration with a unit (`ns`, `us`, `ms` or `s`) of at most
    /// [`LONGEST`].
    Duration {
        /// Used when the plan is silent.
        default_us: u32,
        /// Shortest valid value.
        min_ns: u32,
    },
    /// `true` or `false` (`1`, `0`, `on`, `off`, `yes`, `no`).
    Flag {
        /// Used when the plan is silent.
        default: bool,
    },
    /// One of a list of words.
    Choice {
        /// Index of the word used when the plan is silent.
        default: u8,
        /// The words.
        names: &'static [&'static str],
    },
    /// Text in a form of its own: a list of CPUs, a path, phases. Empty when
    /// the plan is silent.
    Text {
        /// The form, for messages and help.
        rule: ThinStr,
        /// Whether a text has it.
        check: fn(&str) -> bool,
    },
}

impl Kind {
    /// The default as a value.
    #[must_use]
    pub const fn default(&self) -> Value<'static> {
        match *self {
            Self::Count { default, .. } => Value::Count(default as u64),
            Self::CountOr { .. } => Value::Word,
            Self::Duration { default_us, .. } => {
                Value::Duration(Duration::from_micros(default_us as u64))
            }
            Self::Flag { default } => Value::Flag(default),
            Self::Choice { default, .. } => Value::Choice(default as usize),
            Self::Text { .. } => Value::Text(""),
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'t> {
    /// Of [`Kind::Count`], or a number for [`Kind::CountOr`].
    Count(u64),
    /// The word of [`Kind::CountOr`].
    Word,
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Index into the names of [`Kind::Choice`].
    Choice(usize),
    /// Of [`Kind::Text`].
    Text(&'t str),
}

impl<'t> Value<'t> {
    fn stored(self) -> Stored<'t> {
        let (number, text) = match self {
            Self::Count(n) => (n, ""),
            Self::Word => (WORD, ""),
            Self::Duration(duration) => (nanos(duration), ""),
            Self::Flag(flag) => (flag.into(), ""),
            Self::Choice(index) => (index as u64, ""),
            Self::Text(text) => (0, text),
        };
        Stored { number, text }
    }
}

/// The longest value of a [`Kind::Duration`].
pub const LONGEST: Duration = Duration::from_secs(3600);

/// A place in a row's list, in the size a table has for it.
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
pub(super) const fn place(index: usize) -> u8 {
    assert!(index < 256, "a row's lists are short");
    index as u8
}

/// A bound in the size a table has for it.
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
const fn narrow(n: u64) -> u32 {
    assert!(n <= u32::MAX as u64, "bounds are small");
    n as u32
}

/// All durations of a plan end far below the 584 years of a `u64`.
#[expect(clippy::cast_possible_truncation, reason = "no more than an hour")]
const fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// A work type with a value for each of its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Work<'t> {
    name: &'static str,
    params: &'static [Param],
    stored: [Stored<'t>; MAX_PARAMS],
}

/// A value without its kind, which the row has: loops read it for the price
/// of a load.
#[derive(Debug, Clone, Copy)]
struct Stored<'t> {
    number: u64,
    text: &'t str,
}

/// [`Stored::number`] of [`Value::Word`].
const WORD: u64 = u64::MAX;

impl<'t> Work<'t> {
    /// The type of this name with default values of its parameters.
    #[must_use]
    pub fn new(name: &'static str, params: &'static [Param]) -> Self {
        let mut stored = [Value::Count(0).stored(); MAX_PARAMS];
        for (stored, param) in stored.iter_mut().zip(params) {
            *stored = param.kind.default().stored();
        }
        Self {
            name,
            params,
            stored,
        }
    }

    /// The same values for a type with the same parameters.
    pub(crate) fn renamed(&self, name: &'static str) -> Self {
        Self { name, ..*self }
    }

    /// Name of the work type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> &'static [Param] {
        self.params
    }

    /// Sets one parameter by name.
    ///
    /// # Errors
    ///
    /// [`BadValue`] if the type has no such parameter, or the value is of
    /// another kind or outside its range.
    pub fn set(
        &mut self,
        name: &str,
        value: Value<'t>,
    ) -> Result<(), BadValue> {
        let param = self
            .params
            .iter()
            .find(|param| param.name == name)
            .ok_or(BadValue::NoSuchParam)?;
        let fits = match (param.kind, value) {
            (Kind::Count { min, max, .. }, Value::Count(n)) => {
                (min.into()..=max).contains(&n)
            }
            (Kind::CountOr { min, max, .. }, Value::Count(n)) => {
                (min.into()..=max.into()).contains(&n)
            }
            (Kind::Duration { min_ns, .. }, Value::Duration(d)) => {
                (Duration::from_nanos(min_ns.into())..=LONGEST).contains(&d)
            }
            (Kind::Choice { names, .. }, Value::Choice(i)) => i < names.len(),
            (Kind::Text { check, .. }, Value::Text(text)) => check(text),
            (Kind::CountOr { .. }, Value::Word)
            | (Kind::Flag { .. }, Value::Flag(_)) => true,
            _ => return Err(BadValue::WrongKind(param)),
        };
        if !fits {
            return Err(BadValue::OutOfRange(param));
        }
        self.stored[param.at()] = value.stored();
        Ok(())
    }

    /// The value of one of the row's parameters.
    #[must_use]
    pub fn value(&self, param: &Param) -> Value<'t> {
        let Stored { number, text } = self.stored[param.at()];
        match param.kind {
            Kind::CountOr { .. } if number == WORD => Value::Word,
            Kind::Count { .. } | Kind::CountOr { .. } => Value::Count(number),
            Kind::Duration { .. } => {
                Value::Duration(Duration::from_nanos(number))
            }
            Kind::Flag { .. } => Value::Flag(number != 0),
            Kind::Choice { .. } => Value::Choice(self.choice(param)),
            Kind::Text { .. } => Value::Text(text),
        }
    }

    /// The value of a [`Kind::Count`] parameter.
    #[must_use]
    #[inline(always)]
    pub fn count(&self, param: &Param) -> u64 {
        self.stored[param.at()].number
    }

    /// The value of a [`Kind::CountOr`] parameter, `None` for its word.
    #[must_use]
    #[inline(always)]
    pub fn count_or_word(&self, param: &Param) -> Option<u64> {
        Some(self.count(param)).filter(|&n| n != WORD)
    }

    /// The value of a [`Kind::Duration`] parameter in ns.
    #[must_use]
    #[inline(always)]
    pub fn duration_ns(&self, param: &Param) -> u64 {
        self.count(param)
    }

    /// The value of a [`Kind::Flag`] parameter.
    #[must_use]
    #[inline(always)]
    pub fn flag(&self, param: &Param) -> bool {
        self.count(param) != 0
    }

    /// The value of a [`Kind::Text`] parameter; empty for any other.
    #[must_use]
    #[inline(always)]
    pub fn text(&self, param: &Param) -> &'t str {
        self.stored[param.at()].text
    }

    /// The index of a [`Kind::Choice`] parameter.
    #[must_use]
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "indices are small")]
    pub fn choice(&self, param: &Param) -> usize {
        self.count(param) as usize
    }
}

/// Why [`Work::set`] refused a value.
#[derive(Debug, Clone, Copy)]
pub enum BadValue {
    /// The type has no parameter of that name.
    NoSuchParam,
    /// The parameter takes another kind of value.
    WrongKind(&'static Param),
    /// The value is outside the parameter's range.
    OutOfRange(&'static Param),
}
