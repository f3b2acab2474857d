//! The init of `docs/library.md` is one; the page's program is a test of the
//! library's documentation.

use crate::boots::plain_boot_of;
use crate::docs::blocks;
use std::fs;
use xtask::build;

#[test]
fn the_init_of_the_page_carries_a_run_out() {
    let page = build::workspace().join("docs/library.md");
    let page = fs::read_to_string(page).unwrap();
    let init = blocks(&page).into_iter().find(|(of, _)| *of == "rs");
    let (_, init) = init.unwrap();
    let folder = build::workspace().join("tests/data/custom/rust");
    let source = fs::read_to_string(folder.join("src/bin/library.rs")).unwrap();
    let (_, source) = source.split_once("\n\n").unwrap();
    assert_eq!(source.trim_end(), init, "the page and the file differ");

    let init = build::own_binary(&folder, "library").unwrap();
    let console = plain_boot_of(&init, "debian:6.12-cloud", Some(1), &[]);
    let console = String::from_utf8_lossy(&console);
    let line = console.lines().find(|line| line.contains("iterations"));
    let line = line.unwrap_or_else(|| panic!("{console}"));
    let (_, rest) = line.split_once("PipeIo: ").unwrap();
    let count = rest.split(' ').next().unwrap();
    assert!(count.parse::<u64>().unwrap() > 100, "{line}");
}
