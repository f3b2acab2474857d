//! What the plugin wrote: how often each instruction was carried out.

use anyhow::{Context, Result, bail};

/// The measured window of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The instructions that were carried out, by their addresses.
    pub counts: Vec<Count>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Where it is.
    pub address: u64,
    /// How often it was carried out.
    pub count: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The windows in a file, or none if QEMU was ended before it was whole.
///
/// # Errors
///
/// A line that is none of the plugin's.
pub fn read(text: &str) -> Result<Option<Vec<Window>>> {
    let mut windows: Vec<Window> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let what = || format!("line {number} of the plugin's file: `{line}`");
        let words: Vec<&str> = line.split(' ').collect();
        match (&*words, windows.last_mut()) {
            (["window", _], _) => windows.push(Window::default()),
            (["end", count], _) => {
                let whole = *count == windows.len().to_string();
                return Ok(whole.then_some(windows));
            }
            ([address, count, rest @ ..], Some(window)) if rest.len() < 2 => {
                let hex = |word: &str| u64::from_str_radix(word, 16);
                let bytes = rest.first().copied().unwrap_or_default();
                window.counts.push(Count {
                    address: hex(address).with_context(what)?,
                    count: hex(count).with_context(what)?,
                    bytes: self::bytes(bytes).with_context(what)?,
                });
            }
            _ => bail!(what()),
        }
    }
    Ok(None)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| {
        let pair = core::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::{Count, read};
    use proptest::prelude::proptest;

    #[test]
    fn windows_are_read_and_half_a_file_is_none() {
        let whole = "window 0\n2000 a 0f05\nffffffff81000000 ff 90\nwindow 1\n\
                     end 2\n";
        let windows = read(whole).unwrap().unwrap();
        let count = |address, count, bytes: &[u8]| Count {
            address,
            count,
            bytes: bytes.to_vec(),
        };
        let first = [
            count(0x2000, 10, &[0x0f, 5]),
            count(0xffff_ffff_8100_0000, 255, &[0x90]),
        ];
        assert_eq!(windows[0].counts, first);
        assert_eq!(windows[1].counts, []);
        assert_eq!(read(&whole.replace("end 2\n", "")).unwrap(), None);
        assert_eq!(read(&whole.replace("end 2\n", "end 3\n")).unwrap(), None);
        for wrong in ["2000 1", "window 0\nx 1", "window 0\n1 2 3 4", "y"] {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains("of the plugin's file"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(window 0\n)?[0-9a-z \n\u{e9}]{0,60}") {
            let _any = read(&text);
        }
    }
}
