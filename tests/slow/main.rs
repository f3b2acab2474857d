//! What takes too long for every commit: `cargo xtask test --slow`.
//!
//! `bisections.rs` finds regressions that it has planted, `lacking.rs` builds
//! and boots kernels without an option that is on in ours, `pidonectl.rs` has
//! the program of a release find a commit, and `schedulers.rs` builds
//! schedulers of crates.io and runs under them.

#![cfg(test)]

mod bisections;
mod lacking;
mod pidonectl;
mod schedulers;
#[path = "../user.rs"]
mod user;
