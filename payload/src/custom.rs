//! Work of one's own: the contract with programs, and types in Rust.
//!
//! A program is named in the plan (`work=Custom custom.exec=/bin/app`) and
//! talks to the supervisor through a [`page`] of shared memory and a
//! [`report`] in a pipe. `docs/custom.md` is its author's side of that. Types
//! in Rust are functions of a binary that this library starts; see
//! [`types`]. Both get the plan's [`config`].

pub mod config;
pub mod page;
pub mod program;
pub mod report;
pub mod types;
