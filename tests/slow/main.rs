//! What takes too long for every commit: `cargo xtask test --slow`.
//!
//! `bisections.rs` finds regressions that it has planted, `lacking.rs` builds
//! and boots kernels without an option that is on in ours, `labs.rs` boots in
//! labs of others, `pidonectl.rs` has the program of a release find a commit,
//! and `schedulers.rs` builds schedulers of crates.io and runs under them.

#![cfg(test)]

mod bisections;
#[path = "../cis.rs"]
mod cis;
#[path = "../fakes.rs"]
mod fakes;
#[path = "../hosts.rs"]
mod hosts;
mod labs;
mod lacking;
mod pidonectl;
mod schedulers;
#[path = "../user.rs"]
mod user;
