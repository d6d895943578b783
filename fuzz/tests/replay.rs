//! Every input of the corpus again: what broke a promise once must not break it a second time.

use kidstamp_fuzz::TARGETS;
use std::path::Path;

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, run) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
            panic!("no corpus for {name} in {}: {error}", folder.display())
        });
        let mut count = 0;
        for entry in entries {
            let path = entry.expect("a directory entry").path();
            let data = std::fs::read(&path).expect("an input");
            // Its name comes last in the output if it panics.
            eprintln!("{}", path.display());
            run(&data);
            count += 1;
        }
        assert!(count >= 5, "only {count} inputs for {name}");
        println!("{name}: {count} inputs replayed");
    }
}
