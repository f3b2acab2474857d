//! Where two boots that should be the same begin to differ.

use crate::decode::{Boot, decode_ports};
use pidone::wire::record::Record;
use serde_json::Value;

/// The first difference between two boots, console and records each; `None`
/// if there is none.
#[must_use]
pub fn first_difference(a: [&[u8]; 2], b: [&[u8]; 2]) -> Option<String> {
    if a == b {
        return None;
    }
    let [a, b] = [a, b].map(|ports| decode_ports(&ports).newest());
    records(&a, &b).or_else(|| lines(&a.text, &b.text))
}

fn records(a: &Boot, b: &Boot) -> Option<String> {
    let mut of_b = b.records();
    for (number, bytes, record) in a.records() {
        match of_b.next() {
            Some((other, theirs, with)) => {
                if number != other || bytes != theirs {
                    return Some(difference(number, &record, &with));
                }
            }
            None => return Some(format!("record {number} is in one only")),
        }
    }
    let (number, ..) = of_b.next()?;
    Some(format!("record {number} is in one only"))
}

fn difference(number: u32, a: &Record<'_>, b: &Record<'_>) -> String {
    let value = |record| serde_json::to_value(record).unwrap_or_default();
    let (a, b) = (value(a), value(b));
    let what = match place(&a) {
        Some(what) => format!("record {number}, {what}"),
        None => format!("record {number}"),
    };
    match field(&a, &b, "") {
        Some(field) => format!("{what}: {field}"),
        None => what,
    }
}

/// The kind of a record and whose it is.
fn place(record: &Value) -> Option<String> {
    let (kind, fields) = record.as_object()?.iter().next()?;
    let mut text = kind.clone();
    for name in ["run", "group", "index", "name"] {
        match fields.get(name) {
            Some(Value::Number(n)) => text += &format!(" {name}={n}"),
            Some(Value::String(s)) => text += &format!(" {name}={s}"),
            _ => {}
        }
    }
    Some(text)
}

/// The first field that differs and both of its values.
fn field(a: &Value, b: &Value, path: &str) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(name, value)| {
                let path = match path.is_empty() {
                    true => name.clone(),
                    false => format!("{path}.{name}"),
                };
                field(value, b.get(name)?, &path)
            })
        }
        _ if a == b => None,
        _ => Some(format!("{path} is {a} and {b}")),
    }
}

fn lines(a: &str, b: &str) -> Option<String> {
    let mut of_b = b.lines();
    for (line, number) in a.lines().zip(1..) {
        let number: usize = number;
        match of_b.next() {
            Some(other) if other == line => {}
            other => {
                let other = other.unwrap_or("nothing");
                return Some(format!(
                    "line {number} of the console is `{line}` and `{other}`"
                ));
            }
        }
    }
    let other = of_b.next()?;
    Some(format!("the console of one goes on with `{other}`"))
}

#[cfg(test)]
mod tests {
    use super::first_difference;
    use crate::testing::{Stream, worker};
    use pidone::wire::record::Record;

    fn found(a: (&Stream, &str), b: (&Stream, &str)) -> Option<String> {
        let [a, b] = [a, b].map(|(stream, text)| (text, stream.once()));
        first_difference(
            [a.0.as_bytes(), a.1.as_bytes()],
            [b.0.as_bytes(), b.1.as_bytes()],
        )
    }

    #[test]
    fn the_first_record_that_differs_is_named() {
        let stream = Stream::sample();
        let console = "[    0.000000] Linux version 6.12\nKTAP version 1\n";
        let one = (&stream, console);
        assert_eq!(found(one, one), None);
        let mut other = stream.clone();
        let mut changed = worker(0, 1);
        if let Record::Worker(worker) = &mut changed {
            worker.cpu_ns += 1;
        }
        other.records[7] = Stream::encode(&changed);
        let differ = found(one, (&other, console));
        let said = "record 7, Worker run=0 group=0 index=1: Worker.cpu_ns is \
                    480000000 and 480000001";
        assert_eq!(differ.as_deref(), Some(said));
        let late = console.replace("0.000000", "0.000001");
        let differ = found(one, (&stream, &late)).unwrap();
        assert!(differ.starts_with("line 1 of the console"), "{differ}");
    }
}
