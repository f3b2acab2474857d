//! Groups and workers whose iterations nobody told.
//!
//! In Rust they are 0 with `counted` unset, so that sums need no unwrapping;
//! in JSON they are `null`, like everything that is absent.

use super::{Group, Worker};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// `null` is 0.
pub(super) fn or_zero<'de, D>(deserializer: D) -> Result<u64, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or(0))
}

/// 0 is `null`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields on by reference"
)]
pub(super) fn zero_is_none<S: Serializer>(
    n: &u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Some(n).filter(|&&n| n > 0).serialize(serializer)
}

/// What reports without the field mean.
pub(super) fn counted() -> bool {
    true
}

/// The form of something whose iterations are absent.
fn without<S: Serializer>(
    mut form: Value,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    form["iterations"] = Value::Null;
    form["work_units"] = Value::Null;
    form.serialize(serializer)
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.counted {
            return Self::serialize(self, to);
        }
        let form = Self::serialize(self, serde_json::value::Serializer);
        without(form.map_err(serde::ser::Error::custom)?, to)
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::deserialize(from)
    }
}

impl Serialize for Worker {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.counted {
            return Self::serialize(self, to);
        }
        let form = Self::serialize(self, serde_json::value::Serializer);
        without(form.map_err(serde::ser::Error::custom)?, to)
    }
}

impl<'de> Deserialize<'de> for Worker {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Group, Worker};

    #[test]
    fn what_was_not_told_is_null_and_comes_back() {
        let told = Worker {
            iterations: 5,
            counted: true,
            ..Worker::default()
        };
        let silent = Worker::default();
        let group = Group {
            workers: vec![told, silent],
            ..Group::default()
        };
        let json = serde_json::to_value(&group).unwrap();
        assert!(json["iterations"].is_null());
        assert_eq!(json["workers"][0]["iterations"], 5);
        assert!(json["workers"][1]["work_units"].is_null());
        let back: Group = serde_json::from_value(json).unwrap();
        assert!(!back.counted && back.iterations == 0);
        assert_eq!(back.workers[0].iterations, 5);
        assert!(!back.workers[1].counted);
    }
}
