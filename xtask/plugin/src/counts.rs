//! What is counted, and the file that it is written to.
//!
//! Translated code counts each instruction when it *begins*, without a call.
//! What is reported is how often each was *carried out*, which is what guest
//! time counts. The two differ where a block is left in its middle:
//!
//! - An instruction that faults is begun again when the fault is mended. The
//!   one behind it was not begun meanwhile: so an instruction was carried out
//!   as often as the next one of its block was begun.
//! - Behind the last instruction of a block there is none. Those that fault
//!   there are calls and returns, which access memory once if they are carried
//!   out: so their accesses are counted, too.
//! - An access to a device that is not the last of its block makes QEMU leave
//!   the block and carry out that instruction alone, in a block of its own that
//!   only memory accesses are counted of. Such an instruction was carried out
//!   as often as it was begun; that block of its own, with accesses but nothing
//!   begun, tells which ones they are.
//! - An instruction that goes over the end of its page, and is not the first of
//!   its block, is taken out of it again; QEMU shows it all the same. It is
//!   never begun.
//!
//! The file has a line `window N` for each window, followed by one line for
//! each instruction that was carried out in it: its address, the count, and of
//! user space its bytes, all hexadecimal.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Addresses from here on are the kernel's.
const KERNEL: u64 = 1 << 63;

/// Pages that instructions are fetched from.
const PAGE: u64 = 4096;

/// Bytes of the longest instruction there is, and one.
const LONGEST: u64 = 16;

/// Counters that are allocated at once.
const CHUNK: usize = 1 << 16;

/// What the plugin is told.
#[derive(Debug, Default)]
pub(crate) struct Options {
    out: String,
    begin: Vec<u8>,
    end: Vec<u8>,
}

impl Options {
    /// Of words such as `out=FILE`, `begin=HEX` and `end=HEX`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("out", file)) => file.clone_into(&mut options.out),
                Some(("begin", text)) => options.begin = bytes(text)?,
                Some(("end", text)) => options.end = bytes(text)?,
                _ => {
                    return Err(format!(
                        "unknown option `{word}`; valid are out=, begin=, end="
                    ));
                }
            }
        }
        let none = options.begin.is_empty() || options.end.is_empty();
        match none || options.out.is_empty() {
            true => Err("out=, begin= and end= are needed".to_owned()),
            false => Ok(options),
        }
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("`{text}` is not made of hexadecimal bytes"))
}

/// An instruction of a block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instruction {
    /// Where it is.
    pub(crate) address: u64,
    /// Its bytes; of the kernel's, which are known by their addresses, none
    /// are kept.
    pub(crate) bytes: Vec<u8>,
}

impl Instruction {
    /// It accesses memory once, and ends a block: a call or a return on
    /// `x86_64`, whose stack may not be there yet. All of aarch64 have four
    /// bytes, and none of these has.
    fn is_call(&self) -> bool {
        matches!(
            &*self.bytes,
            [0xe8, _, _, _, _]
                | [0xc3]
                | [0xc2, _, _]
                | [0xff, 0xd0..=0xd7]
                | [0x41, 0xff, 0xd0..=0xd7]
        )
    }

    /// It may go over the end of its page.
    fn nears_end(&self) -> bool {
        PAGE - self.address % PAGE < LONGEST
    }
}

/// What a window's edge is marked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// Where translated code counts.
pub(crate) struct Counters {
    /// Each instruction of a block.
    pub(crate) executed: &'static [AtomicU64],
    /// Accesses to memory by the last instruction of a block.
    pub(crate) accesses: Option<&'static AtomicU64>,
}

struct Block {
    instructions: Vec<Instruction>,
    executed: &'static [AtomicU64],
    accesses: Option<&'static AtomicU64>,
    /// Its last instruction was begun once.
    whole: bool,
}

impl Block {
    fn begun(&self, at: usize) -> u64 {
        self.executed.get(at).map_or(0, |c| c.load(Relaxed))
    }

    /// Its instructions, without one that is not in it.
    fn instructions(&self) -> &[Instruction] {
        match self.instructions.split_last() {
            Some((last, rest)) if !self.whole && last.nears_end() => rest,
            _ => &self.instructions,
        }
    }
}

/// All counters, and the windows that are over.
pub(crate) struct Counts {
    options: Options,
    blocks: Vec<Block>,
    /// Counters that no block has yet.
    free: &'static [AtomicU64],
    /// Instructions that access devices, by their addresses.
    devices: BTreeSet<u64>,
    windows: u32,
    inside: bool,
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl Counts {
    /// Writes to the file that the options name.
    pub(crate) fn new(options: Options) -> Result<Self, String> {
        let file = File::create(&options.out)
            .map_err(|error| format!("{}: {error}", options.out))?;
        Ok(Self {
            options,
            blocks: Vec::new(),
            free: &[],
            devices: BTreeSet::new(),
            windows: 0,
            inside: false,
            file: BufWriter::new(file),
            failed: None,
        })
    }

    /// The edge of a window that an instruction marks.
    pub(crate) fn edge(&self, instruction: &Instruction) -> Option<Edge> {
        match &instruction.bytes {
            bytes if *bytes == self.options.begin => Some(Edge::Begin),
            bytes if *bytes == self.options.end => Some(Edge::End),
            _ => None,
        }
    }

    fn take(&mut self, count: usize) -> &'static [AtomicU64] {
        if self.free.len() < count {
            let new = (0..CHUNK.max(count)).map(|_| AtomicU64::new(0));
            // Translated code may use them for as long as QEMU runs.
            self.free = Box::leak(new.collect());
        }
        let (taken, free) = self.free.split_at(count);
        self.free = free;
        taken
    }

    /// Counters for a block that was translated.
    pub(crate) fn block(&mut self, of: &[Instruction]) -> Counters {
        let executed = self.take(of.len());
        let accesses = match of {
            [_] => self.take(1).first(),
            [.., last] if last.is_call() => self.take(1).first(),
            _ => None,
        };
        let kept = of.iter().map(|insn| Instruction {
            address: insn.address,
            bytes: match insn.address < KERNEL {
                true => insn.bytes.clone(),
                false => Vec::new(),
            },
        });
        self.blocks.push(Block {
            instructions: kept.collect(),
            executed,
            accesses,
            whole: false,
        });
        Counters { executed, accesses }
    }

    /// A window begins; what was counted before is forgotten.
    pub(crate) fn begin(&mut self) {
        self.inside = true;
        self.learn();
        for block in &self.blocks {
            let counters = block.executed.iter().chain(block.accesses);
            counters.for_each(|counter| counter.store(0, Relaxed));
        }
    }

    /// What the counters say of blocks and instructions themselves.
    fn learn(&mut self) {
        for block in &mut self.blocks {
            let last = block.executed.len().saturating_sub(1);
            block.whole |= block.begun(last) > 0;
            let accesses = block.accesses.map_or(0, |c| c.load(Relaxed));
            if let [alone] = &*block.instructions
                && accesses > 0
                && block.begun(0) == 0
            {
                self.devices.insert(alone.address);
            }
        }
    }

    /// How often each instruction was carried out.
    fn carried_out(&self) -> BTreeMap<&Instruction, u64> {
        let mut sums = BTreeMap::new();
        for block in &self.blocks {
            let instructions = block.instructions();
            for (at, insn) in instructions.iter().enumerate() {
                let last = at + 1 == instructions.len();
                let device = self.devices.contains(&insn.address);
                let count = match block.accesses {
                    Some(accesses) if last && insn.is_call() => {
                        // QEMU 7.2 may add those of functions of its own.
                        accesses.load(Relaxed).min(block.begun(at))
                    }
                    _ if last || device => block.begun(at),
                    _ => block.begun(at + 1),
                };
                if count > 0 {
                    *sums.entry(insn).or_insert(0) += count;
                }
            }
        }
        sums
    }

    /// A window ends.
    pub(crate) fn end(&mut self) {
        if !core::mem::take(&mut self.inside) {
            return;
        }
        self.learn();
        let mut text = format!("window {}\n", self.windows);
        for (insn, count) in self.carried_out() {
            let Instruction { address, bytes, .. } = insn;
            let _never = write!(text, "{address:x} {count:x}");
            if !bytes.is_empty() {
                text.push(' ');
            }
            for byte in bytes {
                let _never = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        self.windows += 1;
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            self.failed = Some(error);
        }
    }

    /// QEMU ends: the file is whole from here on.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let written = writeln!(self.file, "end {}", self.windows);
        let written = written.and_then(|()| self.file.flush());
        match self.failed.take().map_or(written, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{}: {error}", self.options.out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Counts, Edge, Instruction, KERNEL, Options};
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::fs;

    fn options(file: &str) -> Options {
        let words = [&format!("out={file}"), "begin=0f1f", "end=c3"];
        Options::parse(&words.map(ToString::to_string)).unwrap()
    }

    fn insn(address: u64, bytes: &[u8]) -> Instruction {
        Instruction {
            address,
            bytes: bytes.to_vec(),
        }
    }

    fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Relaxed);
    }

    fn begun(counters: &Counters, numbers: &[u64]) {
        for (counter, &number) in counters.executed.iter().zip(numbers) {
            add(counter, number);
        }
    }

    #[test]
    fn what_was_carried_out_is_told_from_what_was_begun() {
        let name = format!("pidone-plugin-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let mut counts = Counts::new(options(&file.to_string_lossy())).unwrap();
        let kernel = |at: u64| insn(KERNEL + at, &[0x90]);
        // Its second instruction faults, and so do a call and a last one that
        // is none; another accesses a device; the last of one is not in it.
        let faults = counts.block(&[kernel(0), kernel(1), kernel(2)]);
        let call = counts.block(&[insn(0x10, &[0xe8, 1, 2, 3, 4])]);
        let device = counts.block(&[kernel(0x20), kernel(0x21)]);
        let alone = counts.block(&[kernel(0x20)]);
        let cut = counts.block(&[kernel(0xff0), kernel(0xffe)]);
        // Before the window, where the device shows itself.
        begun(&device, &[3, 0]);
        add(alone.accesses.unwrap(), 3);
        counts.begin();
        begun(&faults, &[10, 10, 7]);
        begun(&call, &[5]);
        add(call.accesses.unwrap(), 4);
        begun(&device, &[6, 2]);
        add(alone.accesses.unwrap(), 4);
        begun(&cut, &[9, 0]);
        counts.end();
        // No end without a beginning, and an empty window is one.
        counts.end();
        counts.begin();
        counts.end();
        counts.finish().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let expected = "window 0\n10 4 e801020304\n\
                        8000000000000000 a\n8000000000000001 7\n\
                        8000000000000002 7\n8000000000000020 6\n\
                        8000000000000021 2\n8000000000000ff0 9\n\
                        window 1\nend 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn marks_and_options_are_known() {
        let file = "/dev/null";
        let counts = Counts::new(options(file)).unwrap();
        let edge = |bytes| counts.edge(&insn(1, bytes));
        assert_eq!(edge(&[0x0f, 0x1f]), Some(Edge::Begin));
        assert_eq!(edge(&[0xc3]), Some(Edge::End));
        assert_eq!(edge(&[0x0f]), None);
        for wrong in [&["out=x"][..], &["begin=0", "x=1"], &["begin=\u{e9}x"]] {
            let words: Vec<String> =
                wrong.iter().map(ToString::to_string).collect();
            assert!(Options::parse(&words).is_err(), "{wrong:?}");
        }
    }
}
