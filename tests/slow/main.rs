//! What takes too long for every commit: `cargo xtask test --slow`.
//!
//! `bisections.rs` finds regressions that it has planted, `lacking.rs` builds
//! and boots kernels without an option that is on in ours, `labs.rs` boots in
//! labs of others, `pidonectl.rs` has the program of a release find a commit,
//! and `schedulers.rs` builds schedulers of crates.io and runs under them.

#![cfg(test)]

mod bisections;
#[path = "../cis.rs"]
#[expect(dead_code, reason = "the other tests have more of it")]
mod cis;
#[path = "../hosts.rs"]
#[expect(dead_code, reason = "the other tests have more of it")]
mod hosts;
mod labs;
mod lacking;
mod pidonectl;
mod schedulers;
#[path = "../user.rs"]
mod user;
