//! Where the modules of a kernel lie in a machine, and the functions in them.
//!
//! A kernel puts modules where there is room. The machine is not asked where,
//! since answering would be something that it executes: a module is known by
//! its code. Pieces of what was executed are looked for in the sections of its
//! file, and the place that most of them agree on is the one. Bytes that a
//! loader fills in, or patches, match any.

use super::counts::Count;
use super::symbols::Code;
use crate::model::profile::folded;
use anyhow::{Context, Result, bail};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionFlags,
    SymbolKind, elf,
};
use std::collections::BTreeMap;

/// Instructions of a piece that is looked for.
const PIECE: usize = 5;
/// Pieces that are to agree, at least, and how many times as many as agree on
/// another place.
const AGREE: usize = 3;

/// A module's code.
#[derive(Debug, Clone, Default)]
pub struct Module {
    sections: Vec<Section>,
}

/// A section of it, which stays where it is put.
#[derive(Debug, Clone, Default)]
struct Section {
    align: u64,
    /// None for those that a loader fills in.
    code: Vec<Option<u8>>,
    /// From the section's beginning.
    functions: Vec<Code>,
}

impl Module {
    /// The code in a module's file, without what is gone when it is loaded.
    ///
    /// # Errors
    ///
    /// It is no ELF file, or not whole.
    pub fn read(file: &[u8]) -> Result<Self> {
        let file = object::File::parse(file)?;
        let name_of = |target| match target {
            RelocationTarget::Symbol(at) => {
                let symbol = file.symbol_by_index(at).ok()?;
                symbol.name().ok().map(str::to_owned)
            }
            _ => None,
        };
        let mut module = Self::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                bail!("no ELF file");
            };
            let code = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
            let name = section.name().unwrap_or_default();
            if sh_flags & code != code || name.starts_with(".init") {
                continue;
            }
            let mut of = Section {
                align: section.align().max(1),
                code: section.data()?.iter().copied().map(Some).collect(),
                ..Section::default()
            };
            for (at, relocation) in section.relocations() {
                let name = name_of(relocation.target()).unwrap_or_default();
                of.fill_in(at, &name).context("a relocation")?;
            }
            of.functions = functions(&file, section.index());
            module.sections.push(of);
        }
        Ok(module)
    }
}

/// The functions of a section, in order, and none within another.
fn functions(
    file: &object::File<'_>,
    section: object::SectionIndex,
) -> Vec<Code> {
    let mine = file.symbols().filter(|symbol| {
        symbol.section_index() == Some(section)
            && symbol.kind() == SymbolKind::Text
            && symbol.size() > 0
    });
    let code = mine.map(|symbol| {
        let (name, whole) = folded(symbol.name().unwrap_or_default());
        Code {
            begin: symbol.address(),
            end: symbol.address().saturating_add(symbol.size()),
            name: name.to_owned(),
            whole,
        }
    });
    let mut code: Vec<Code> = code.collect();
    code.sort_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
    code.dedup_by(|later, first| later.begin < first.end);
    code
}

impl Section {
    /// A loader fills in four bytes here. Where they are the target of a call
    /// that kernels patch, the instruction is another afterwards.
    fn fill_in(&mut self, at: u64, target: &str) -> Option<()> {
        let at = usize::try_from(at).ok()?;
        let patched = target.starts_with("__fentry__")
            || target.starts_with("__x86_")
            || target.starts_with("__SCT__");
        let begin = at.checked_sub(usize::from(patched))?;
        self.code.get_mut(begin..at.checked_add(4)?)?.fill(None);
        Some(())
    }

    fn has(&self, at: usize, bytes: &[u8]) -> bool {
        let code = at.checked_add(bytes.len());
        let code = code.and_then(|end| self.code.get(at..end));
        code.is_some_and(|code| {
            let mut pairs = code.iter().zip(bytes);
            pairs.all(|(own, byte)| own.is_none_or(|own| own == *byte))
                // What is filled in alone says nothing.
                && code.iter().flatten().count() * 2 >= bytes.len()
        })
    }

    /// Where it begins, if these pieces say so.
    fn begins(&self, pieces: &[(u64, Vec<u8>)]) -> Option<u64> {
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
        for (address, bytes) in pieces {
            let first = usize::try_from(address % self.align).ok()?;
            let step = usize::try_from(self.align).ok()?;
            for at in (first..self.code.len()).step_by(step) {
                let begin = address.checked_sub(u64::try_from(at).ok()?);
                if let Some(begin) = begin
                    && self.has(at, bytes)
                {
                    *votes.entry(begin).or_default() += 1;
                }
            }
        }
        let mut votes: Vec<(usize, u64)> = votes
            .into_iter()
            .map(|(begin, votes)| (votes, begin))
            .collect();
        votes.sort_unstable();
        let (most, begin) = votes.pop()?;
        let next = votes.pop().map_or(0, |(next, _)| next);
        (most >= AGREE * next.max(1)).then_some(begin)
    }
}

/// The functions of modules that were executed, by their code: what the
/// kernel executed and has no name for otherwise.
#[must_use]
pub fn placed(modules: &[Module], executed: &[&Count]) -> Vec<Code> {
    let pieces = pieces(executed);
    let sections = modules.iter().flat_map(|module| &module.sections);
    let mut code: Vec<Code> = Vec::new();
    for section in sections {
        let Some(begin) = section.begins(&pieces) else {
            continue;
        };
        code.extend(section.functions.iter().map(|function| Code {
            begin: begin + function.begin,
            end: begin + function.end,
            ..function.clone()
        }));
    }
    code.sort_by_key(|code| code.begin);
    code.dedup_by(|later, first| later.begin < first.end);
    code
}

/// Instructions that follow each other, in pieces.
fn pieces(executed: &[&Count]) -> Vec<(u64, Vec<u8>)> {
    let code: BTreeMap<u64, &[u8]> = executed
        .iter()
        .map(|count| (count.address, &*count.bytes))
        .collect();
    let code: Vec<(u64, &[u8])> = code.into_iter().collect();
    let follow = |a: &(u64, &[u8]), b: &(u64, &[u8])| {
        u64::try_from(a.1.len()).is_ok_and(|size| a.0 + size == b.0)
    };
    let runs = code.chunk_by(follow);
    let pieces = runs.flat_map(|run| run.chunks_exact(PIECE));
    let bytes = pieces.map(|piece| {
        let bytes = piece.iter().flat_map(|(_, bytes)| *bytes);
        (piece[0].0, bytes.copied().collect())
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::{Code, Count, Module, Section, placed};
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::SplitMix64;

    const AT: u64 = 0xffff_ffff_c020_0000;

    /// A section of so many instructions of four bytes, in functions of 16
    /// instructions.
    fn section(rng: &mut SplitMix64, count: u64, name: &str) -> Section {
        let code = (0..count).flat_map(|_| rng.next_u32().to_le_bytes());
        let functions = (0..count / 16).map(|at| Code {
            begin: at * 64,
            end: at * 64 + 64,
            name: format!("{name}{at}"),
            whole: true,
        });
        Section {
            align: 32,
            code: code.map(Some).collect(),
            functions: functions.collect(),
        }
    }

    /// What is executed of a section at an address.
    fn executed(section: &Section, at: u64) -> Vec<Count> {
        let words = section.code.chunks(4).zip((at..).step_by(4));
        let counts = words.map(|(word, address)| Count {
            address,
            count: 1,
            bytes: word.iter().map(|byte| byte.unwrap_or(0x90)).collect(),
        });
        counts.collect()
    }

    #[test]
    fn a_module_is_known_by_its_code() {
        let mut rng = SplitMix64::seed_from_u64(1);
        let [text, cold, other] = [("f", 64), ("g", 32), ("h", 64)]
            .map(|(name, count)| section(&mut rng, count, name));
        let mut loaded = text.clone();
        loaded.fill_in(5, "__fentry__").unwrap();
        loaded.fill_in(100, "printk").unwrap();
        let mut counts = executed(&loaded, AT);
        counts.extend(executed(&cold, AT - 0x1000));
        let all: Vec<&Count> = counts.iter().collect();
        let modules = [
            Module {
                sections: vec![loaded, cold],
            },
            // One that was not executed.
            Module {
                sections: vec![other],
            },
        ];
        let code = placed(&modules, &all);
        let of: Vec<_> = code.iter().map(|it| (it.begin, &*it.name)).collect();
        let expected = [
            (AT - 0x1000, "g0"),
            (AT - 0x1000 + 64, "g1"),
            (AT, "f0"),
            (AT + 64, "f1"),
            (AT + 128, "f2"),
            (AT + 192, "f3"),
        ];
        assert_eq!(of, expected);
        // Too little of it says nothing, and neither does any other code.
        assert_eq!(placed(&modules, &all[..10]), []);
        let moved = executed(&section(&mut rng, 64, "x"), AT);
        let moved: Vec<&Count> = moved.iter().collect();
        assert_eq!(placed(&modules, &moved), []);
    }

    #[test]
    fn what_a_loader_fills_in_is_any_byte() {
        let mut section = Section {
            align: 1,
            code: [0xe8, 0, 0, 0, 0, 0xc3, 0x90].map(Some).to_vec(),
            ..Section::default()
        };
        section.fill_in(1, "printk").unwrap();
        assert!(section.has(5, &[0xc3, 0x90]));
        assert!(!section.has(5, &[0xc3, 0x91]));
        // Of which there is too much here.
        assert!(!section.has(0, &[0xe8, 9, 9, 9, 9]));
        // A call that is patched away is another instruction.
        section.fill_in(1, "__fentry__").unwrap();
        assert_eq!(section.code[..5], [None; 5]);
        assert!(section.fill_in(4, "printk").is_none());
        assert!(Module::read(b"no ELF").is_err());
    }
}
