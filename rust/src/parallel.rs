//! Rows in parallel, in order, with the caller asked now and then whether to go on.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Called with work done and all work; [`ControlFlow::Break`] stops.
pub type Observer<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Events that one worker takes at once: less than some milliseconds of the slowest work.
const PIECE: usize = 2048;

/// Pieces for each worker between two questions to the observer.
const ROUND: usize = 4;

/// Below this many rows threads cost more than they save.
const FEW: usize = 64;

/// Threads that live as long as this value. Rayon's global pool is never touched: it would not survive a
/// fork, and data loaders fork.
pub struct Workers(Option<ThreadPool>);

impl Workers {
    /// Workers for `rows` rows; as many threads as there are cores, unless told.
    pub fn new(threads: Option<usize>, rows: usize) -> Result<Self> {
        Self::at_most(if rows < FEW { 1 } else { usize::MAX }, threads)
    }

    fn at_most(most: usize, threads: Option<usize>) -> Result<Self> {
        let threads = match threads {
            Some(0) => return Err(Error::input("threads", "must be at least 1")),
            Some(threads) => threads.min(most),
            None => std::thread::available_parallelism().map_or(1, usize::from).min(most),
        };
        if threads < 2 {
            return Ok(Self(None));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(|pool| Self(Some(pool))).map_err(|error| Error::input("threads", error.to_string()))
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

/// `job` with one piece of the rows after the other, and with room of its worker's own; hands the results to
/// `take` in the rows' order. `events` says how much work a row is.
pub fn in_pieces<R, T: Send>(
    rows: usize,
    events: impl Fn(usize) -> usize,
    threads: Option<usize>,
    observer: &mut Observer,
    room: impl Fn() -> R + Sync + Send,
    job: impl Fn(&mut R, Range<usize>) -> T + Sync + Send,
    mut take: impl FnMut(T),
) -> Result<()> {
    let pieces = cut(rows, events);
    let workers = Workers::at_most(pieces.len(), threads)?;
    let mut own = room();
    for round in pieces.chunks(ROUND * workers.len()) {
        go_on(observer, round[0].start, rows)?;
        let pieces = round.iter().cloned();
        match &workers.0 {
            None => pieces.for_each(|piece| take(job(&mut own, piece))),
            Some(pool) => {
                let work = || round.par_iter().cloned().map_init(&room, &job).collect();
                let done: Vec<T> = pool.install(work);
                done.into_iter().for_each(&mut take);
            }
        }
    }
    Ok(())
}

/// Cuts rows into pieces of about [`PIECE`] events; a row is never cut, and an empty one counts too.
fn cut(rows: usize, events: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut size) = (0, 0);
    for row in 0..rows {
        size += events(row).max(1);
        if size >= PIECE || row + 1 == rows {
            pieces.push(start..row + 1);
            (start, size) = (row + 1, 0);
        }
    }
    pieces
}

/// Asks the observer.
pub fn go_on(observer: &mut Observer, done: usize, all: usize) -> Result<()> {
    match observer(done, all) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Empty rows, short ones, and some that are a piece of their own.
    fn events(row: usize) -> usize {
        if row % 50 == 7 { 3 * PIECE } else { row % 4 * 20 }
    }

    #[test]
    fn rows_come_whole_and_in_order_on_any_number_of_threads() -> Result<()> {
        for (threads, rows) in [1, 2, 7].into_iter().flat_map(|threads| [(threads, 0), (threads, 3000)]) {
            let mut done = Vec::new();
            let mut seen = Vec::new();
            let mut observer = |done, all| {
                seen.push((done, all));
                ControlFlow::Continue(())
            };
            let job = |room: &mut usize, piece: Range<usize>| {
                *room += piece.len();
                (*room, piece.collect::<Vec<_>>())
            };
            in_pieces(
                rows,
                events,
                Some(threads),
                &mut observer,
                || 0,
                job,
                |(room, piece)| {
                    assert!(room >= piece.len());
                    done.extend(piece);
                },
            )?;
            assert_eq!(done, (0..rows).collect::<Vec<_>>());
            assert!(seen.is_sorted() && seen.iter().all(|&(done, all)| done < all && all == rows));
        }
        Ok(())
    }

    #[test]
    fn a_stop_ends_the_work_between_two_rounds() {
        let mut asked = 0;
        let mut observer = |_, _| {
            asked += 1;
            if asked < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let mut taken = 0;
        let stopped =
            in_pieces(100 * PIECE, |_| 1, Some(2), &mut observer, || (), |(), _| (), |()| taken += 1);
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert_eq!(taken, 2 * 2 * ROUND);
    }
}
