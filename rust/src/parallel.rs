//! Rows in parallel, in order, with the caller asked now and then whether to go on.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Called with work done and all work; [`ControlFlow::Break`] stops.
pub type Observer<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Rows worked on between two questions to the observer: some hundredths of a second.
const BLOCK: usize = 1024;

/// Rows that one worker takes at once.
const PIECE: usize = 64;

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

    /// `job` with one piece of the rows after the other; hands the results to `take` in the rows' order.
    pub fn pieces<T: Send>(
        &self,
        rows: usize,
        observer: &mut Observer,
        job: impl Fn(Range<usize>) -> T + Sync + Send,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let piece = |start: usize| job(start..rows.min(start + PIECE));
        for block in (0..rows).step_by(BLOCK) {
            go_on(observer, block, rows)?;
            let starts = (block..rows.min(block + BLOCK)).step_by(PIECE);
            match &self.0 {
                None => starts.map(piece).for_each(&mut take),
                Some(pool) => {
                    let starts: Vec<usize> = starts.collect();
                    let done: Vec<T> = pool.install(|| starts.into_par_iter().map(piece).collect());
                    done.into_iter().for_each(&mut take);
                }
            }
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
}

/// Asks the observer.
pub fn go_on(observer: &mut Observer, done: usize, all: usize) -> Result<()> {
    match observer(done, all) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}
