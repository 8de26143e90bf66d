//! Fuzzes the loader of vocabulary files: bytes as libFuzzer changes them, and JSON changed entry by entry.

#![no_main]

mod check;
mod mutate;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|text: &[u8]| {
    check::load(text);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::change(data, size, max_size, seed)
});
