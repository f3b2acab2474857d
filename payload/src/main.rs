//! The binary: the library's start-up, with no work types but its own.

#![no_std]
#![no_main]

pidone::init!();
