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
//! each instruction that was carried out in it: its address, the count, and its
//! bytes, all hexadecimal. Bytes tell programs apart that are at one address,
//! and modules of the kernel, which may be at any.

use core::fmt::Write as _;
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
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Instruction {
    /// It accesses memory once, and ends a block: a call or a return of a
    /// program on `x86_64`, whose stack may not be there yet. All of aarch64
    /// have four bytes, and none of these has.
    fn is_call(&self) -> bool {
        self.address < KERNEL
            && matches!(
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

/// Memory that translated code adds to.
pub(crate) trait Memory {
    /// Allocates so many counters that are 0.
    fn allocate(&mut self, counters: usize);
    /// What a counter has come to.
    fn get(&self, counter: Counter) -> u64;
    /// Makes it 0.
    fn clear(&self, counter: Counter);
}

/// A counter: how many allocations there were before its own, and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counter {
    pub(crate) chunk: usize,
    pub(crate) at: usize,
}

impl Counter {
    fn plus(self, more: usize) -> Self {
        Self {
            at: self.at + more,
            ..self
        }
    }
}

/// Where translated code counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// The first instruction of a block; the others follow.
    first: Counter,
    /// Accesses to memory by the last instruction of a block.
    pub(crate) accesses: Option<Counter>,
}

impl Counters {
    /// That of an instruction of the block.
    pub(crate) fn executed(&self, at: usize) -> Counter {
        self.first.plus(at)
    }
}

struct Block {
    instructions: Vec<Instruction>,
    counters: Counters,
    /// Its last instruction was begun once.
    whole: bool,
}

impl Block {
    /// Its instructions, without one that is not in it.
    fn instructions(&self) -> &[Instruction] {
        match self.instructions.split_last() {
            Some((last, rest)) if !self.whole && last.nears_end() => rest,
            _ => &self.instructions,
        }
    }
}

/// All counters, and the windows that are over.
pub(crate) struct Counts<M> {
    pub(crate) memory: M,
    options: Options,
    blocks: Vec<Block>,
    /// The first counter that no block has yet, and how many there are.
    free: (Counter, usize),
    chunks: usize,
    /// Instructions that access devices, by their addresses.
    devices: BTreeSet<u64>,
    windows: u32,
    inside: bool,
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl<M: Memory> Counts<M> {
    /// Writes to the file that the options name.
    pub(crate) fn new(options: Options, memory: M) -> Result<Self, String> {
        let file = File::create(&options.out)
            .map_err(|error| format!("{}: {error}", options.out))?;
        Ok(Self {
            options,
            memory,
            blocks: Vec::new(),
            free: (Counter { chunk: 0, at: 0 }, 0),
            chunks: 0,
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

    fn take(&mut self, count: usize) -> Counter {
        let (mut first, mut free) = self.free;
        if free < count {
            free = CHUNK.max(count);
            self.memory.allocate(free);
            first = Counter {
                chunk: self.chunks,
                at: 0,
            };
            self.chunks += 1;
        }
        self.free = (first.plus(count), free - count);
        first
    }

    fn begun(&self, block: &Block, at: usize) -> u64 {
        self.memory.get(block.counters.executed(at))
    }

    /// Counters for a block that was translated.
    pub(crate) fn block(&mut self, of: &[Instruction]) -> Counters {
        let first = self.take(of.len());
        let accesses = match of {
            [_] => Some(self.take(1)),
            [.., last] if last.is_call() => Some(self.take(1)),
            _ => None,
        };
        let counters = Counters { first, accesses };
        self.blocks.push(Block {
            instructions: of.to_vec(),
            counters,
            whole: false,
        });
        counters
    }

    /// A window begins; what was counted before is forgotten.
    pub(crate) fn begin(&mut self) {
        self.inside = true;
        self.learn();
        for block in &self.blocks {
            let counters = 0..block.instructions.len();
            let counters = counters.map(|at| block.counters.executed(at));
            let counters = counters.chain(block.counters.accesses);
            counters.for_each(|counter| self.memory.clear(counter));
        }
    }

    /// What the counters say of blocks and instructions themselves.
    fn learn(&mut self) {
        for block in &mut self.blocks {
            let last = block.instructions.len().saturating_sub(1);
            let begun = self.memory.get(block.counters.executed(last));
            block.whole |= begun > 0;
            if let [alone] = &*block.instructions
                && let Some(accesses) = block.counters.accesses
                && self.memory.get(accesses) > 0
                && begun == 0
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
                let count = match block.counters.accesses {
                    Some(accesses) if last && insn.is_call() => {
                        // QEMU 7.2 may add those of functions of its own.
                        self.memory.get(accesses).min(self.begun(block, at))
                    }
                    _ if last || device => self.begun(block, at),
                    _ => self.begun(block, at + 1),
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
            let _never = write!(text, "{address:x} {count:x} ");
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
    use super::{
        Counter, Counters, Counts, Edge, Instruction, KERNEL, Memory, Options,
    };
    use core::cell::Cell;
    use std::fs;

    #[derive(Default)]
    struct Plain(Vec<Vec<Cell<u64>>>);

    impl Memory for Plain {
        fn allocate(&mut self, counters: usize) {
            self.0.push(vec![Cell::new(0); counters]);
        }

        fn get(&self, counter: Counter) -> u64 {
            self.0[counter.chunk][counter.at].get()
        }

        fn clear(&self, counter: Counter) {
            self.0[counter.chunk][counter.at].set(0);
        }
    }

    fn counts(file: &str) -> Counts<Plain> {
        Counts::new(options(file), Plain::default()).unwrap()
    }

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

    fn add(counts: &Counts<Plain>, counter: Option<Counter>, number: u64) {
        let Counter { chunk, at } = counter.unwrap();
        let cell = &counts.memory.0[chunk][at];
        cell.set(cell.get() + number);
    }

    fn begun(counts: &Counts<Plain>, of: &Counters, numbers: &[u64]) {
        for (at, &number) in numbers.iter().enumerate() {
            add(counts, Some(of.executed(at)), number);
        }
    }

    #[test]
    fn what_was_carried_out_is_told_from_what_was_begun() {
        let name = format!("pidone-plugin-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let mut counts = counts(&file.to_string_lossy());
        let kernel = |at: u64| insn(KERNEL + at, &[0x90]);
        // Its second instruction faults, and so do a call and a last one that
        // is none; another accesses a device; the last of one is not in it.
        let faults = counts.block(&[kernel(0), kernel(1), kernel(2)]);
        let call = counts.block(&[insn(0x10, &[0xe8, 1, 2, 3, 4])]);
        let device = counts.block(&[kernel(0x20), kernel(0x21)]);
        let alone = counts.block(&[kernel(0x20)]);
        let cut = counts.block(&[kernel(0xff0), kernel(0xffe)]);
        // Before the window, where the device shows itself.
        begun(&counts, &device, &[3, 0]);
        add(&counts, alone.accesses, 3);
        counts.begin();
        begun(&counts, &faults, &[10, 10, 7]);
        begun(&counts, &call, &[5]);
        add(&counts, call.accesses, 4);
        begun(&counts, &device, &[6, 2]);
        add(&counts, alone.accesses, 4);
        begun(&counts, &cut, &[9, 0]);
        counts.end();
        // No end without a beginning, and an empty window is one.
        counts.end();
        counts.begin();
        counts.end();
        counts.finish().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let expected = "window 0\n10 4 e801020304\n\
                        8000000000000000 a 90\n8000000000000001 7 90\n\
                        8000000000000002 7 90\n8000000000000020 6 90\n\
                        8000000000000021 2 90\n8000000000000ff0 9 90\n\
                        window 1\nend 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn marks_and_options_are_known() {
        let file = "/dev/null";
        let counts = counts(file);
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
