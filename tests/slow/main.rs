//! What takes too long for every commit: `cargo xtask test --slow`.
//!
//! `bisections.rs` finds regressions that it has planted, `lacking.rs` builds
//! and boots kernels without an option that is on in ours, and `pidonectl.rs`
//! has the program of a release find a commit.

#![cfg(test)]

mod bisections;
mod lacking;
mod pidonectl;
#[path = "../user.rs"]
mod user;
