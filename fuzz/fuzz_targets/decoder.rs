//! Runs [`pidone_fuzz::decoder`], in one form an input.

#![no_main]

use pidone_fuzz::sinks::one;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pidone_fuzz::decoder_in(data, one(data));
});
