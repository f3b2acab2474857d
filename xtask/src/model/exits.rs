//! How workers ended, as text: `code 0`, `signal 9`, `timeout`, `stuck`.

use pidone::kit::exit::Exit;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// As in JSON and on pages.
#[must_use]
pub fn text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Timeout => "timeout".to_owned(),
        Exit::Stuck => "stuck".to_owned(),
    }
}

fn parse(text: &str) -> Option<Exit> {
    match text.split_once(' ') {
        Some(("code", code)) => code.parse().ok().map(Exit::Code),
        Some(("signal", signal)) => signal.parse().ok().map(Exit::Signal),
        None if text == "timeout" => Some(Exit::Timeout),
        None if text == "stuck" => Some(Exit::Stuck),
        _ => None,
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde wants"
)]
pub(super) fn serialize<S: Serializer>(
    exit: &Exit,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(*exit))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Exit, D::Error> {
    let text = String::deserialize(from)?;
    let why = || D::Error::custom(format!("no end of a worker: `{text}`"));
    parse(&text).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::{parse, text};
    use pidone::kit::exit::Exit;

    #[test]
    fn ends_of_workers_come_back() {
        for (exit, said) in [
            (Exit::Code(3), "code 3"),
            (Exit::Signal(9), "signal 9"),
            (Exit::Timeout, "timeout"),
            (Exit::Stuck, "stuck"),
        ] {
            assert_eq!(text(exit), said);
            assert_eq!(parse(said), Some(exit));
        }
        for bad in ["", "code", "code 256", "killed"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
