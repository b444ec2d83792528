//! Text files of rows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mt_fuzz::csv(data);
});
