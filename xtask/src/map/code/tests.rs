//! Code of a few instructions, and a file of our own.

use super::{Body, Code, CodeChanges, same};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SymbolKind};
use proptest::prelude::{any, proptest};
use std::collections::BTreeMap;
use std::fs;

/// A kernel in which code and data lie so many bytes further on.
fn kernel(arch: Architecture, further: u64) -> Code<'static> {
    let symbols = [
        (0x1000, 0x1100, "try_to_wake_up"),
        (0x2000, 0x2100, "schedule"),
        (0x2100, 0x2200, "schedule.cold"),
        (0x3000, 0x3010, "count.7"),
        (0x3010, 0x3020, "limit"),
    ];
    let moved = symbols.map(|(begin, end, name)| match name {
        // The function itself stays.
        "try_to_wake_up" => (begin, end, name),
        // Another number for the same variable.
        "count.7" if further > 0 => {
            (begin + further, end + further, "count.12")
        }
        _ => (begin + further, end + further, name),
    });
    Code {
        arch,
        functions: BTreeMap::new(),
        symbols: moved.to_vec(),
        // The end of one table, and the beginning of another, which is only
        // there without a gap.
        marks: match further {
            0 => [(0x6000, vec!["end"]), (0x6004, vec!["begin"])].into(),
            _ => [(0x6044, vec!["end", "begin"])].into(),
        },
        unnamed: vec![(0x40_4000, 0x40_5000, ".rodata")],
    }
}

/// Whether these bytes at the beginning of a function are the same in a kernel
/// in which all else lies 0x40 bytes further on.
fn alike(arch: Architecture, a: &[u8], b: &[u8]) -> bool {
    let [of_a, of_b] = [0, 0x40].map(|further| kernel(arch, further));
    let body = |bytes| Body {
        address: 0x1000,
        bytes,
    };
    same((&of_a, &body(a)), (&of_b, &body(b)))
}

#[test]
fn references_of_x86_are_where_they_lead_to() {
    let alike = |a: &[u8], b: &[u8]| alike(Architecture::X86_64, a, b);
    // A call from 0x1000 to schedule, at 0x2000 and at 0x2040.
    let call = |to: u32| [&[0xe8][..], &(to - 0x1005).to_le_bytes()].concat();
    assert!(alike(&call(0x2000), &call(0x2040)));
    assert!(!alike(&call(0x2000), &call(0x2100)));
    // Parts of a function have its name, and are at another place of it.
    assert!(alike(&call(0x2100), &call(0x2140)));
    // A variable, a constant behind its distance: movl $9, count(%rip).
    let store = |to: u32, value: u32| {
        let far = (to - 0x100a).to_le_bytes();
        [&[0xc7, 0x05][..], &far, &value.to_le_bytes()].concat()
    };
    assert!(alike(&store(0x3004, 9), &store(0x3044, 9)));
    assert!(!alike(&store(0x3004, 9), &store(0x3048, 9)));
    assert!(!alike(&store(0x3004, 9), &store(0x3044, 8)));
    assert!(!alike(&store(0x3004, 9), &store(0x3050, 9)));
    // An address as it is: mov $limit, %rdi. Strings have no names.
    let load = |to: u32| [&[0x48, 0xc7, 0xc7][..], &to.to_le_bytes()].concat();
    assert!(alike(&load(0x3010), &load(0x3050)));
    assert!(!alike(&load(0x3010), &load(0x3040)));
    assert!(alike(&load(0x40_4010), &load(0x40_4123)));
    assert!(alike(&load(0x6004), &load(0x6044)));
    assert!(!alike(&load(0x6002), &load(0x6044)));
    // What is no reference: 250 rounds are not 251.
    let count = |n: u32| [&[0xb8][..], &n.to_le_bytes()].concat();
    assert!(alike(&count(250), &count(250)));
    assert!(!alike(&count(250), &count(251)));
    assert!(!alike(&[0x90], &[0x90, 0x90]));
    // At the very end there is no room for one.
    assert!(!alike(&[0x90, 1], &[0x90, 2]));
}

#[test]
fn references_of_arm64_are_where_they_lead_to() {
    let alike = |a: &[u32], b: &[u32]| {
        let bytes = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        alike(Architecture::Aarch64, &bytes(a), &bytes(b))
    };
    // bl schedule
    let call = |to: u32| [0x9400_0000 | (to - 0x1000) >> 2];
    assert!(alike(&call(0x2000), &call(0x2040)));
    assert!(!alike(&call(0x2000), &[0x1400_0410]));
    // adrp x1, 0x3000; ldr w0, [x1, #within]
    let load = |within: u32| [0xd000_0001, 0xb940_0020 | within >> 2 << 10];
    assert!(alike(&load(4), &load(0x44)));
    assert!(!alike(&load(4), &load(0x48)));
    // add x0, x1, #within
    let add = |within: u32| [0xd000_0001, 0x9100_0020 | within << 10];
    assert!(alike(&add(0x10), &add(0x50)));
    assert!(!alike(&add(0x10), &add(0x40)));
    // Another register has another page, or none.
    let other = |within: u32| [0xd000_0002, 0x9100_0020 | within << 10];
    assert!(!alike(&other(0x10), &other(0x50)));
    // mov w0, #250
    assert!(!alike(&[0x5280_1f40], &[0x5280_1f60]));
}

/// What a program of ours is made of differs in the one function that was
/// changed.
#[test]
fn a_function_that_was_changed_is_named() {
    let file = fs::read("/proc/self/exe").unwrap();
    let none = CodeChanges::of_files([&file, &file]).unwrap();
    assert_eq!(none, CodeChanges::default());
    let elf = object::File::parse(&*file).unwrap();
    let mut symbols = elf.symbols();
    let symbol = symbols
        .find(|symbol| {
            symbol.kind() == SymbolKind::Text
                && symbol.size() > 64
                && symbol.name().unwrap().contains("plainness")
        })
        .unwrap();
    let section = symbol.section_index().unwrap();
    let section = elf.section_by_index(section).unwrap();
    let (begin, _) = section.file_range().unwrap();
    let at = begin + symbol.address() - section.address();
    let mut other = file.clone();
    other[usize::try_from(at).unwrap()] ^= 0xff;
    let found = CodeChanges::of_files([&file, &other]).unwrap();
    let name = symbol.name().unwrap();
    let changed: Vec<&str> = found.changed.iter().map(String::as_str).collect();
    assert!(
        matches!(changed[..], [one] if name.starts_with(one)),
        "{found:?}"
    );
    assert_eq!(found.added.len() + found.removed.len(), 0);
    let error = CodeChanges::of_files([b"no kernel", b""]).unwrap_err();
    assert!(format!("{error:#}").contains("vmlinux"), "{error:#}");
}

proptest! {
    #[test]
    fn nothing_panics(
        a in proptest::collection::vec(any::<u8>(), 0..40),
        b in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        for arch in [Architecture::X86_64, Architecture::Aarch64] {
            let _any = alike(arch, &a, &b);
        }
    }
}
