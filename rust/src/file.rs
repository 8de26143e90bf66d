//! Vocabulary files: JSON in the layout of the released `ActionPiece` files, with what is ours under a key of
//! its own.

mod ours;
mod read;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::error::{Error, Result};
use crate::random::GENERATOR;
use crate::vocabulary::Vocabulary;

/// The key under which our own entries stand.
const OURS: &str = "clairo";

/// The version of those entries. The generator of permutations is part of it.
const VERSION: i64 = 2;

/// A vocabulary as the text of a file.
#[must_use]
pub fn to_json(vocabulary: &Vocabulary) -> String {
    let initial = vocabulary.initial();
    let features = initial.features().iter().map(|&(category, value)| json!([category, value]));
    let merges = vocabulary.merges().iter().map(|pair| json!([-1, pair.first(), pair.second()]));
    let zeros = std::iter::repeat_n(json!(0), initial.len());
    let mut file = json!({
        "n_categories": initial.n_categories(),
        "n_init_feats": initial.len(),
        "token2feat": std::iter::once(json!([-1, -1])).chain(features).chain(merges).collect::<Vec<_>>(),
        "priority": zeros.chain(vocabulary.priorities().iter().map(|&it| json!(it))).collect::<Vec<_>>(),
    });
    if let Some(exact) = vocabulary.counts() {
        // As text: counts can pass 64 bits, and many JSON readers go through doubles.
        file[OURS] = json!({
            "version": VERSION,
            "generator": GENERATOR,
            "size_asked": exact.size_asked,
            "cardinalities": initial.cardinalities(),
            "unit": exact.unit.to_string(),
            "counts": exact.counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "inside": exact.joined.iter().map(|joined| joined.inside).collect::<Vec<_>>(),
            "across": exact.joined.iter().map(|joined| joined.across).collect::<Vec<_>>(),
        });
    }
    file.to_string()
}

/// Keeps the temporary names of one process apart.
static SAVED: AtomicUsize = AtomicUsize::new(0);

/// Writes a vocabulary under another name first, so that the file is never there half.
///
/// # Errors
/// If the operating system refuses.
pub fn save(vocabulary: &Vocabulary, path: &Path) -> Result<()> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let number = SAVED.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(to_json(vocabulary).as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a name that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Reads a vocabulary.
///
/// # Errors
/// If the file cannot be read or is damaged; the error names the entry.
pub fn load(path: &Path) -> Result<Vocabulary> {
    let text = fs::read(path).map_err(|error| Error::File {
        path: path.to_owned(),
        entry: String::new(),
        problem: error.to_string(),
    })?;
    from_json(&text, path)
}

/// A vocabulary from the text of a file; `path` is for errors.
///
/// # Errors
/// If the text is damaged; the error names the entry.
pub fn from_json(text: &[u8], path: &Path) -> Result<Vocabulary> {
    read::vocabulary(text).map_err(|(entry, problem)| Error::File { path: path.to_owned(), entry, problem })
}
