#![no_main]

use std::panic;

// The decoder may give up in a panic, which the reader catches; the fuzzer's own hook would end the process before.
libfuzzer_sys::fuzz_target!(
    init: {
        panic::set_hook(Box::new(|info| {
            if info.location().is_some_and(|place| !place.file().contains("/registry/")) {
                eprintln!("{info}");
            }
        }));
    },
    |bytes: &[u8]| records_fuzz::parquet::check(bytes)
);
