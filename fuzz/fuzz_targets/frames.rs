#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ackwire_fuzzing::frames(bytes));
