//! pidone: a tiny static Linux init that runs scheduler workloads.
//!
//! The library is everything but the start-up code: the table of work types,
//! the wire schema and its framing, and what a run needs in the machine. It
//! neither allocates nor uses a C library.

#![no_std]

#[cfg(test)]
extern crate std;

/// The page on this library, whose program is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
pub struct Page;

pub mod ctx;
pub mod init;
pub mod kit;
pub mod plan;
pub mod row;
pub mod run;
pub mod sys;
pub mod wire;
pub mod workloads;
