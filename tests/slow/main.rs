//! What takes too long for every commit: `cargo xtask test --slow`.
//!
//! `bisections.rs` finds regressions that it has planted, and `lacking.rs`
//! builds and boots kernels without an option that is on in ours.

#![cfg(test)]

mod bisections;
mod lacking;
