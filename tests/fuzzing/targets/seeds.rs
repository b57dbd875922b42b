//! No target: writes the seeds of every target, made from the golden files, into the folder that `SEEDS` names
//! (`tests/fuzz seeds`). It is built as one, since instrumented code does not link without the fuzzer.
#![no_main]
use std::{fs, path::Path, process};

libfuzzer_sys::fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("SEEDS") {
            for (target, name, bytes) in fuzzing::seeds::all() {
                let folder = Path::new(&folder).join(target);
                fs::create_dir_all(&folder).expect("a folder that can be written");
                fs::write(folder.join(name), bytes).expect("a folder that can be written");
            }
            process::exit(0)
        }
    },
    |_input: &[u8]| {}
);
