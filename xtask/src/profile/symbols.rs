//! Names of what is executed: the kernel's functions and the payload's.

use super::counts::{Count, Window};
use super::kallsyms::{self, Symbol};
use super::modules::{self, Module};
use crate::kernel_build::image;
use crate::model::profile::{Space, folded};
use anyhow::{Context, Result};
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What has no name.
const UNNAMED: [(Space, &str); 2] = [
    (Space::Kernel, "[kernel: no symbol]"),
    (Space::User, "[vDSO and other programs]"),
];

/// A piece of code with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Where it begins.
    pub begin: u64,
    /// Behind its end.
    pub end: u64,
    /// Its function's name.
    pub name: String,
    /// Its first instruction is that of the function.
    pub whole: bool,
}

/// The names of all code that is known.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    /// In order, and none within another.
    code: Vec<Code>,
    /// The payload's bytes, by where they are loaded.
    loaded: Vec<(u64, Vec<u8>)>,
    /// Modules that are packed.
    modules: Vec<Module>,
}

/// The names of all code of a boot, whose modules have a place.
#[derive(Debug)]
pub struct Names<'s> {
    symbols: &'s Symbols,
    modules: Vec<Code>,
}

impl Symbols {
    /// Those of a kernel's image, of the modules that go with it, by their
    /// names, and of the payload as it was linked. A kernel without symbols has
    /// none here, and `say` is told why.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the payload is no ELF file.
    pub fn of(
        kernel: &Path,
        modules: &[(&str, &[u8])],
        payload: &Path,
        say: impl Fn(&str),
    ) -> Result<Self> {
        let mut symbols = Self::default();
        let what = || kernel.display().to_string();
        let image = fs::read(kernel).with_context(what)?;
        match image::proper(&image).and_then(|it| kallsyms::read(&it)) {
            Ok(all) => symbols.code = of_kernel(&all),
            Err(error) => say(&format!(
                "note: {}: {error:#}; its functions have no names",
                kernel.display()
            )),
        }
        for (name, file) in modules {
            let module = Module::read(file);
            symbols
                .modules
                .push(module.with_context(|| (*name).to_owned())?);
        }
        let what = || payload.display().to_string();
        let file = fs::read(payload).with_context(what)?;
        symbols.add_payload(&file).with_context(what)?;
        symbols.code.sort_by_key(|code| code.begin);
        Ok(symbols)
    }

    /// Those of the payload as it was linked, and no others.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no ELF file.
    pub fn of_payload(payload: &Path) -> Result<Self> {
        let what = || payload.display().to_string();
        let mut symbols = Self::default();
        symbols
            .add_payload(&fs::read(payload).with_context(what)?)
            .with_context(what)?;
        Ok(symbols)
    }

    fn add_payload(&mut self, file: &[u8]) -> Result<()> {
        let elf = object::File::parse(file)?;
        for segment in elf.segments() {
            self.loaded
                .push((segment.address(), segment.data()?.to_vec()));
        }
        let mut code: Vec<Code> = Vec::new();
        let symbols = elf.symbols().filter(|symbol| {
            symbol.kind() == SymbolKind::Text && symbol.size() > 0
        });
        for symbol in symbols {
            let name = symbol.name().unwrap_or_default();
            let name = format!("{:#}", demangle(name));
            let (name, whole) = folded(&name);
            code.push(Code {
                begin: symbol.address(),
                end: symbol.address().saturating_add(symbol.size()),
                name: name.to_owned(),
                whole,
            });
        }
        code.sort_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
        code.dedup_by(|later, first| later.begin < first.end);
        self.code.extend(code);
        Ok(())
    }

    /// With the modules where a boot with these windows had them.
    #[must_use]
    pub fn with_modules(&self, windows: &[Window]) -> Names<'_> {
        let all = windows.iter().flat_map(|window| &window.counts);
        let unnamed: Vec<&Count> = all
            .filter(|count| {
                Space::of(count.address) == Space::Kernel
                    && at(&self.code, count.address).is_none()
            })
            .collect();
        Names {
            symbols: self,
            modules: modules::placed(&self.modules, &unnamed),
        }
    }

    fn is_loaded(&self, count: &Count) -> bool {
        self.loaded.iter().any(|(begin, bytes)| {
            let at = count.address.checked_sub(*begin);
            let at = at.and_then(|at| usize::try_from(at).ok());
            let rest = at.and_then(|at| bytes.get(at..));
            rest.is_some_and(|rest| rest.starts_with(&count.bytes))
        })
    }
}

/// What is at an address.
fn at(code: &[Code], address: u64) -> Option<&Code> {
    let at = code.partition_point(|it| it.begin <= address);
    let code = code[..at].last();
    code.filter(|code| address < code.end)
}

impl Names<'_> {
    /// The function that an instruction is of, and whether it is its first.
    #[must_use]
    pub fn find(&self, count: &Count) -> (Space, &str, bool) {
        let Self { symbols, modules } = self;
        let space = Space::of(count.address);
        let code = at(&symbols.code, count.address);
        let code = code.or_else(|| at(modules, count.address));
        // Another program may have other code at the same address.
        let own =
            |_: &&Code| space == Space::Kernel || symbols.is_loaded(count);
        match code.filter(own) {
            Some(code) => {
                let first = code.whole && code.begin == count.address;
                (space, &code.name, first)
            }
            None => {
                let unnamed = UNNAMED.iter().find(|(of, _)| *of == space);
                (space, unnamed.map_or("", |(_, name)| name), false)
            }
        }
    }
}

/// The names of all functions of a kernel's image, those of its modules aside.
///
/// # Errors
///
/// It cannot be read, or has no table of symbols.
pub fn functions(kernel: &Path) -> Result<BTreeSet<String>> {
    let what = || kernel.display().to_string();
    let image = fs::read(kernel).with_context(what)?;
    let all = kallsyms::read(&image::proper(&image)?).with_context(what)?;
    let all = all.iter().filter(|symbol| is_code(symbol));
    Ok(all.map(|it| folded(&it.name).0.to_owned()).collect())
}

fn is_code(symbol: &Symbol) -> bool {
    b"tTwW".contains(&symbol.kind)
}

/// Code of a kernel: from each symbol to the next one's address.
fn of_kernel(symbols: &[Symbol]) -> Vec<Code> {
    let groups = symbols.chunk_by(|a, b| a.address == b.address);
    let groups: Vec<&[Symbol]> = groups.collect();
    let ends = groups.iter().skip(1).map(|group| group[0].address);
    let code = groups.iter().zip(ends).filter_map(|(group, end)| {
        let code = group.iter().filter(|it| is_code(it));
        // Of several names, the one that people use.
        let best = code.min_by_key(|symbol| plainness(&symbol.name))?;
        let (name, whole) = folded(&best.name);
        Some(Code {
            begin: best.address,
            end,
            name: name.to_owned(),
            whole,
        })
    });
    code.collect()
}

/// Of several names of one function, people use the one that has the least of
/// this.
pub(crate) fn plainness(name: &str) -> (usize, usize, &str) {
    let plain = name.trim_start_matches('_');
    (name.len() - plain.len(), plain.len(), plain)
}

#[cfg(test)]
mod tests {
    use super::{Code, Count, Space, Symbol, Symbols, folded, of_kernel};

    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    fn symbol(offset: u64, kind: u8, name: &str) -> Symbol {
        Symbol {
            address: KERNEL + offset,
            kind,
            name: name.to_owned(),
        }
    }

    #[test]
    fn parts_of_a_function_go_by_its_name() {
        for (name, function, whole) in [
            ("try_to_wake_up", "try_to_wake_up", true),
            ("clear_delayed.part.0.constprop.0", "clear_delayed", false),
            ("schedule.cold", "schedule", false),
            ("update_se.isra.0", "update_se", true),
            ("update_se.isra.0.cold", "update_se", false),
            ("__do_x.constprop.12", "__do_x", true),
            ("start.llvm.123456", "start", true),
            // Names of their own.
            (".part.0", ".part.0", true),
            ("a.partial", "a.partial", true),
            ("<[T]>::sort.0", "<[T]>::sort.0", true),
        ] {
            assert_eq!(folded(name), (function, whole), "{name}");
        }
    }

    #[test]
    fn an_address_is_in_the_code_in_front_of_it() {
        let symbols = Symbols {
            code: [
                vec![Code {
                    begin: 0x1000,
                    end: 0x1010,
                    name: "main".to_owned(),
                    whole: true,
                }],
                of_kernel(&[
                    symbol(0, b'T', "_stext"),
                    symbol(0, b'T', "__schedule"),
                    symbol(0, b't', "schedule"),
                    symbol(32, b't', "schedule.cold"),
                    symbol(48, b'D', "data"),
                    symbol(64, b't', "after"),
                    symbol(80, b'T', "_etext"),
                ]),
            ]
            .concat(),
            loaded: vec![(0x1000, vec![0x90, 0xc3])],
            ..Symbols::default()
        };
        let names = symbols.with_modules(&[]);
        let find = |address: u64, bytes: &[u8]| {
            let count = Count {
                address,
                count: 1,
                bytes: bytes.to_vec(),
            };
            let (space, name, first) = names.find(&count);
            (space, name.to_owned(), first)
        };
        for (offset, name, first) in [
            (0, "schedule", true),
            (1, "schedule", false),
            (31, "schedule", false),
            (32, "schedule", false),
            (48, "[kernel: no symbol]", false),
            (64, "after", true),
            (79, "after", false),
            (80, "[kernel: no symbol]", false),
        ] {
            let found = find(KERNEL + offset, &[]);
            assert_eq!(found, (Space::Kernel, name.to_owned(), first));
        }
        let other = "[vDSO and other programs]";
        for (address, bytes, name, first) in [
            (0x1000, &[0x90][..], "main", true),
            (0x1001, &[0xc3], "main", false),
            // Another program's, and behind all that is loaded.
            (0x1001, &[0xcc], other, false),
            (0x1002, &[0xc3], other, false),
            (0x0fff, &[0x90], other, false),
            (0x1010, &[0x90], other, false),
        ] {
            let found = find(address, bytes);
            assert_eq!(found, (Space::User, name.to_owned(), first));
        }
    }
}
