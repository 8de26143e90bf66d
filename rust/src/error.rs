//! Every way in which this crate can refuse work, in one enum.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What went wrong, with the place where it did.
#[derive(Debug)]
pub enum Error {
    /// An argument does not hold what it should.
    Input {
        /// The argument's name, as the caller knows it.
        argument: &'static str,
        /// The first bad place in it, such as `[3, 1]`; empty where the whole argument is meant.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A vocabulary file is damaged.
    File {
        /// The file.
        path: PathBuf,
        /// The entry, such as `token2feat[1021]`; empty where the whole file is meant.
        entry: String,
        /// What is wrong there.
        problem: String,
    },
    /// The operating system refused a file.
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The caller asked for a stop.
    Stopped,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn input(argument: &'static str, problem: impl Into<String>) -> Self {
        Self::at(argument, String::new(), problem)
    }

    pub(crate) fn at(argument: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Input { argument, place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { argument, place, problem } => write!(f, "{argument}{place}: {problem}"),
            Self::File { path, entry, problem } if entry.is_empty() => {
                write!(f, "{}: {problem}", path.display())
            }
            Self::File { path, entry, problem } => {
                write!(f, "{}: {entry}: {problem}", path.display())
            }
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Stopped => f.write_str("stopped by the caller"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
