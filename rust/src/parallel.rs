//! Rows in parallel, in order, with the caller asked now and then whether to go on.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Called with work done and all work; [`ControlFlow::Break`] stops.
pub type Observer<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Rows worked on between two questions to the observer: some hundredths of a second.
const BLOCK: usize = 1024;

/// Below this many rows threads cost more than they save.
const FEW: usize = 64;

/// Threads that live as long as this value. Rayon's global pool is never touched: it would not survive a
/// fork, and data loaders fork.
pub struct Workers(Option<ThreadPool>);

impl Workers {
    /// Workers for `rows` rows; as many threads as there are cores, unless told.
    pub fn new(threads: Option<usize>, rows: usize) -> Result<Self> {
        let threads = match threads {
            Some(0) => return Err(Error::input("threads", "must be at least 1")),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        if threads == 1 || rows < FEW {
            return Ok(Self(None));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(|pool| Self(Some(pool))).map_err(|error| Error::input("threads", error.to_string()))
    }

    /// `job(row)` for every row, in the rows' order. Hands block after block to `take`.
    pub fn blocks<T: Send>(
        &self,
        rows: usize,
        observer: &mut Observer,
        job: impl Fn(usize) -> T + Sync + Send,
        mut take: impl FnMut(Vec<T>),
    ) -> Result<()> {
        for start in (0..rows).step_by(BLOCK) {
            go_on(observer, start, rows)?;
            take(self.map(start..rows.min(start + BLOCK), &job));
        }
        Ok(())
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// `job(i, parts[i])` for every part.
    pub fn each<T: Send>(&self, parts: &mut [T], job: impl Fn(usize, &mut T) + Sync + Send) {
        let Some(pool) = &self.0 else {
            return parts.iter_mut().enumerate().for_each(|(i, part)| job(i, part));
        };
        pool.install(|| parts.par_iter_mut().enumerate().for_each(|(i, part)| job(i, part)));
    }

    fn map<T: Send>(&self, rows: Range<usize>, job: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
        match &self.0 {
            None => rows.map(job).collect(),
            Some(pool) => pool.install(|| rows.into_par_iter().map(job).collect()),
        }
    }
}

/// Asks the observer.
pub fn go_on(observer: &mut Observer, done: usize, all: usize) -> Result<()> {
    match observer(done, all) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}
