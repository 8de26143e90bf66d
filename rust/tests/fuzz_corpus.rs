//! The loader on every file that fuzzing has found worth keeping.

#[path = "../fuzz/check.rs"]
mod check;

use std::fs;
use std::path::Path;

/// Files whose names begin with `damage` or `no_json` must be refused, the others load; all must pass the
/// check of the fuzzer.
#[test]
fn every_file_of_the_corpus_loads_or_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/fuzz/corpus/load_vocabulary");
    let (mut loaded, mut refused) = (0, 0);
    for entry in fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("a file of it").path();
        let loads = check::load(&fs::read(&path).expect("a file"));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert_eq!(loads, !(name.starts_with("damage") || name.starts_with("no_json")), "{name}");
        *(if loads { &mut loaded } else { &mut refused }) += 1;
    }
    assert!(loaded >= 10 && refused >= 40, "{loaded} loaded, {refused} refused");
}
