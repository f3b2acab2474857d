//! Work types by name or by constructor, with values that are checked.
//!
//! Each type has a constructor of its name, in [`constructors`]: parameters in
//! the order of its row, each of the type that its kind says. Ranges and rules
//! are the row's, and the check is the one that a plan's words go through.

use crate::ctx::workload::Workload;
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::group::value_of;
use crate::row::{Value, Work};
use crate::workloads::custom::types::Registered;
use crate::workloads::{self, ALL};
use core::time::Duration;

/// A work type with a value for each of its parameters.
///
/// ```
/// use core::time::Duration;
/// use pidone::plan::work_type::WorkType;
///
/// let ms = Duration::from_millis;
/// let work = WorkType::bursty(ms(5), ms(10))?;
/// assert_eq!(work.name(), "Bursty");
/// assert_eq!(work.worker_group_size(), None);
///
/// let pairs = WorkType::from_name("PipeIo").unwrap();
/// assert_eq!(pairs.worker_group_size(), Some(2));
///
/// let wrong = WorkType::bursty(Duration::ZERO, ms(10)).unwrap_err();
/// let rule = wrong.to_string();
/// assert!(rule.contains("burst_duration is 1ns to 3600s"));
/// # Ok::<(), pidone::plan::error::PlanError<'_>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WorkType<'t> {
    pub(super) workload: &'static Workload,
    pub(super) work: Work<'t>,
}

impl<'t> WorkType<'t> {
    /// The name of every work type, in the order of the catalogue.
    pub const ALL_NAMES: [&'static str; ALL.len()] = {
        let mut names = [""; ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = ALL[at].row.name;
            at += 1;
        }
        names
    };

    /// The type of that exact name with default values. `None` if there is
    /// none, or if it does nothing by itself: `Sequence` needs phases, and
    /// `Custom` a program.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let work = Self::of(workloads::find(name)?);
        work.check().is_ok().then_some(work)
    }

    /// Any type with default values, such as one's own
    /// ([`workload`](crate::workloads::custom::types::workload)). What is not
    /// able to run with them is refused when a run is made of it.
    #[must_use]
    pub fn of(workload: &'static Workload) -> Self {
        let work = workload.row.work();
        Self { workload, work }
    }

    /// [`Custom`](crate::workloads::custom) work: the program of this path.
    ///
    /// # Errors
    ///
    /// The rule for such a path.
    pub fn custom(exec: &'t str) -> Result<Self, PlanError<'t>> {
        Self::made("Custom", &[("custom.exec", Value::Text(exec))])
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.work.name()
    }

    /// Workers per instance with these values; `None` where any number will
    /// do.
    #[must_use]
    pub fn worker_group_size(&self) -> Option<u32> {
        self.workload.row.group_size(&self.work)
    }

    /// The value of a parameter. `None` if it has none of that name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'t>> {
        let mut params = self.work.params().iter();
        let param = params.find(|param| param.name == name)?;
        Some(self.work.value(param))
    }

    /// The same with another value of one parameter, as `u64`, `Duration`,
    /// `bool` or one of [`choices`], or as the text of a plan.
    ///
    /// # Errors
    ///
    /// The rule for that parameter, or that there is none of that name.
    pub fn set(
        mut self,
        name: &'t str,
        value: impl Argument<'t>,
    ) -> Result<Self, PlanError<'t>> {
        let params = self.work.params();
        let param = params.iter().find(|param| param.name == name);
        let param = param.ok_or_else(|| {
            let rule = Rule::Key(name, &[], params);
            bad(name, rule)
        })?;
        let value = match value.value() {
            Value::Text(text) => value_of(&param.kind, text),
            value => Some(value),
        };
        value
            .and_then(|value| self.work.set(param.name, value).ok())
            .ok_or_else(|| bad(param.name, Rule::Param(param)))?;
        Ok(self)
    }

    fn check(&self) -> Result<(), &'static str> {
        (self.workload.row.check)(&self.work)
    }

    /// Refuses values that are each fine but not together.
    fn whole(self) -> Result<Self, PlanError<'t>> {
        match self.check() {
            Ok(()) => Ok(self),
            Err(rule) => Err(bad(self.name(), Rule::Is(rule))),
        }
    }

    /// The type of that name, which is one of the table, with these values.
    fn made(
        name: &'static str,
        values: &[(&'static str, Value<'t>)],
    ) -> Result<Self, PlanError<'t>> {
        let works = Registered::default();
        let found = workloads::find(name);
        let found = found.ok_or_else(|| bad(name, Rule::Work(name, works)))?;
        let mut work = Self::of(found);
        for &(param, value) in values {
            work = work.set(param, value)?;
        }
        work.whole()
    }
}

/// What a parameter can be set to.
pub trait Argument<'t>: Copy {
    /// As a value of a row's parameter. Text is a plan's and fits any kind.
    fn value(self) -> Value<'t>;

    /// From a parameter's value; the least where that is of another kind.
    #[must_use]
    fn of(value: Value<'t>) -> Self;
}

impl<'t> Argument<'t> for Value<'t> {
    fn value(self) -> Self {
        self
    }

    fn of(value: Self) -> Self {
        value
    }
}

impl<'t> Argument<'t> for u64 {
    fn value(self) -> Value<'t> {
        Value::Count(self)
    }

    fn of(value: Value<'t>) -> Self {
        match value {
            Value::Count(n) => n,
            _ => 0,
        }
    }
}

/// `None` is the word that means "leave it alone".
impl<'t> Argument<'t> for Option<u64> {
    fn value(self) -> Value<'t> {
        self.map_or(Value::Word, Value::Count)
    }

    fn of(value: Value<'t>) -> Self {
        match value {
            Value::Count(n) => Some(n),
            _ => None,
        }
    }
}

impl<'t> Argument<'t> for Duration {
    fn value(self) -> Value<'t> {
        Value::Duration(self)
    }

    fn of(value: Value<'t>) -> Self {
        match value {
            Value::Duration(duration) => duration,
            _ => Self::ZERO,
        }
    }
}

impl<'t> Argument<'t> for bool {
    fn value(self) -> Value<'t> {
        Value::Flag(self)
    }

    fn of(value: Value<'t>) -> Self {
        value == Value::Flag(true)
    }
}

impl<'t> Argument<'t> for &'t str {
    fn value(self) -> Value<'t> {
        Value::Text(self)
    }

    fn of(value: Value<'t>) -> Self {
        match value {
            Value::Text(text) => text,
            _ => "",
        }
    }
}

/// Types for the words that a parameter is one of.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident {
        $($variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`.")] $variant,)*
        }

        impl<'t> Argument<'t> for $name {
            fn value(self) -> Value<'t> {
                Value::Choice(self as usize)
            }

            fn of(value: Value<'t>) -> Self {
                const ALL: &[$name] = &[$($name::$variant),*];
                match value {
                    Value::Choice(at) if at < ALL.len() => ALL[at],
                    _ => ALL[0],
                }
            }
        }
    )*};
}

/// A constructor for each type with few parameters.
macro_rules! constructors {
    ($($(#[$doc:meta])* $name:literal fn $make:ident(
        $($param:ident: $type:ty),* $(,)?
    );)*) => {
        impl<'t> WorkType<'t> {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// The first value that is outside of its range, or values that
            /// do not go together, with the rule.
            pub fn $make($($param: $type),*) -> Result<Self, PlanError<'t>> {
                Self::made($name, &[
                    $((stringify!($param), $param.value())),*
                ])
            }
        )*}

        #[cfg(test)]
        pub(super) const FUNCTIONS: &[(&str, super::Make)] = &[$(
            ($name, |_of| {
                WorkType::$make($(Argument::of(_of(stringify!($param)))),*)
            }),
        )*];
    };
}

/// A constructor that takes a structure, for each type with many.
macro_rules! options {
    ($($(#[$doc:meta])* $name:literal fn $make:ident(
        $options:ident $(<$life:lifetime>)?,
        default $default:ty { $($param:ident: $type:ty,)* }
    );)*) => {
        $(
        #[doc = concat!("Parameters of `", $name, "`; by default those of a \
                         plan that names none.")]
        #[derive(Debug, Clone, Copy)]
        pub struct $options $(<$life>)? {
            $(
                #[doc = concat!("`", stringify!($param), "`.")]
                pub $param: $type,
            )*
        }

        impl Default for $default {
            fn default() -> Self {
                let value = |param| default_of($name, param);
                Self { $($param: Argument::of(value(stringify!($param))),)* }
            }
        }

        impl<'t> WorkType<'t> {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// The first value that is outside of its range, or values that
            /// do not go together, with the rule.
            pub fn $make(
                options: $options $(<$life>)?,
            ) -> Result<Self, PlanError<'t>> {
                Self::made($name, &[
                    $((stringify!($param), options.$param.value())),*
                ])
            }
        }
        )*

        #[cfg(test)]
        pub(super) const STRUCTURES: &[(&str, super::Make)] = &[$(
            ($name, |of| {
                WorkType::$make($options {
                    $($param: Argument::of(of(stringify!($param))),)*
                })
            }),
        )*];

        #[cfg(test)]
        pub(super) const DEFAULTS: &[super::Usual] = &[$(
            || WorkType::$make($options::default()),
        )*];
    };
}

/// The default of a parameter of one of the table.
fn default_of(name: &str, param: &str) -> Value<'static> {
    let row = workloads::row(name);
    let mut params = row.map_or(&[][..], |row| row.params).iter();
    let found = params.find(|other| other.name == param);
    found.map_or(Value::Word, |param| param.kind.default())
}

pub mod choices;
pub mod constructors;

/// A constructor that is given its values by their names.
#[cfg(test)]
type Make = fn(
    &dyn Fn(&'static str) -> Value<'static>,
) -> Result<WorkType<'static>, PlanError<'static>>;

/// A constructor that is given defaults.
#[cfg(test)]
type Usual = fn() -> Result<WorkType<'static>, PlanError<'static>>;

#[cfg(test)]
mod tests;
