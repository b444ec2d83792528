//! Arrow's files and streams of rows.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // The reader makes errors of panics of its decoder and what that calls; all others end the fuzzer.
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|at| at.file().contains("/registry/src/")) {
                end(panic);
            }
        }));
    },
    |data: &[u8]| {
        mt_fuzz::arrow(data);
    }
);
