//! Everything that the fuzzers' corpora hold, once more: what was found stays found, and the targets do not rot.

use ackwire_fuzzing::TARGETS;
use std::{fs, path::Path};

#[test]
fn the_corpora() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpora.join(name)).expect("a corpus for each target").collect();
        assert!(!inputs.is_empty(), "the corpus of `{name}` is empty");
        for input in inputs {
            let path = input.expect("a readable folder").path();
            // The last one is at fault if the target panics.
            println!("{}", path.display());
            target(&fs::read(&path).expect("a readable file"));
        }
    }
}
