//! The histories in one flat array.
//!
//! Every set takes one stride of `n + 1` cells: room for its tokens, closed up at the front with zeros behind,
//! and last the slot on its right. So a history is one stretch of memory that is gone through without a
//! branch, and merges never allocate.

use std::ops::Range;

use crate::engine::Joined;
use crate::history::{EMPTY, History, Stretch};
use crate::items::Histories;
use crate::pair::{Pair, Token};

pub struct Corpus {
    /// Cells of one set, its slot included.
    width: usize,
    cells: Vec<Token>,
    rows: Vec<Place>,
}

/// Cells of one line of the cache.
const LINE: usize = 64 / size_of::<Token>();

/// Where a history lies: its first set, and how many it has by now.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    len: u32,
}

impl Corpus {
    /// The histories as rows of sets, from the tokens of all items laid end to end. Without empty ones.
    pub fn new(tokens: &[Token], n_categories: usize, histories: &Histories) -> Self {
        let width = n_categories + 1;
        let mut corpus = Self {
            width,
            cells: Vec::with_capacity(histories.n_events() * width),
            rows: Vec::with_capacity(histories.len()),
        };
        for row in 0..histories.len() {
            let items = histories.get(row);
            if items.is_empty() {
                continue;
            }
            corpus.rows.push(Place { start: (corpus.cells.len() / width) as u32, len: items.len() as u32 });
            for &item in items {
                corpus.cells.extend_from_slice(&tokens[item as usize * n_categories..][..n_categories]);
                corpus.cells.push(EMPTY);
            }
        }
        corpus
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn n_cells(&self) -> usize {
        self.cells.len()
    }

    fn place(&self, row: usize) -> (usize, usize) {
        let Place { start, len } = self.rows[row];
        (start as usize, len as usize)
    }

    pub fn row(&self, row: usize) -> Row<'_> {
        let (start, len) = self.place(row);
        Row { width: self.width, cells: &self.cells[start * self.width..(start + len) * self.width], len }
    }

    /// All histories, to be changed.
    pub fn whole(&mut self) -> Part<'_> {
        Part { width: self.width, first: 0, start: 0, cells: &mut self.cells, rows: &mut self.rows }
    }

    pub fn history(&self, row: usize) -> History {
        let row = self.row(row);
        let sets = (0..row.len()).map(|i| row.set(i).to_vec()).collect();
        History::from_parts(sets, (0..row.len() - 1).map(|i| row.slot(i)).collect())
    }
}

/// Neighbouring histories, to be changed.
pub struct Part<'a> {
    width: usize,
    /// The first history, and the first set.
    first: usize,
    start: usize,
    cells: &'a mut [Token],
    rows: &'a mut [Place],
}

impl Part<'_> {
    /// The histories before `row`, and the others.
    pub fn split(self, row: u32) -> (Self, Self) {
        let (before, rows) = self.rows.split_at_mut(row as usize - self.first);
        let start = rows.first().map_or(self.start + self.cells.len() / self.width, |row| row.start as usize);
        let (left, cells) = self.cells.split_at_mut((start - self.start) * self.width);
        let left = Self { cells: left, rows: before, ..self };
        (left, Self { first: row as usize, start, cells, rows, width: self.width })
    }

    fn place(&self, row: u32) -> (Range<usize>, usize) {
        let Place { start, len } = self.rows[row as usize - self.first];
        let (start, len) = (start as usize - self.start, len as usize);
        (start * self.width..(start + len) * self.width, len)
    }

    pub fn row(&self, row: u32) -> Row<'_> {
        let (cells, len) = self.place(row);
        Row { width: self.width, cells: &self.cells[cells], len }
    }

    pub fn row_mut(&mut self, row: u32) -> RowMut<'_> {
        let (cells, _) = self.place(row);
        RowMut {
            width: self.width,
            cells: &mut self.cells[cells],
            len: &mut self.rows[row as usize - self.first].len,
        }
    }

    /// Brings histories into the cache, all at the same time: one after the other, the wait for each would be
    /// most of a merge.
    pub fn fetch(&self, rows: &[u32]) {
        let lines = rows.iter().flat_map(|&row| self.row(row).cells.iter().step_by(LINE));
        std::hint::black_box(lines.fold(0, |seen, cell| seen ^ cell));
    }
}

/// One history.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    width: usize,
    cells: &'a [Token],
    len: usize,
}

impl<'a> Row<'a> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The tokens of set `i`.
    pub fn set(&self, i: usize) -> &'a [Token] {
        &self.cells[i * self.width..][..self.size(i)]
    }

    pub fn size(&self, i: usize) -> usize {
        size(self.room(i))
    }

    /// The cells of set `i`, empty ones too.
    fn room(&self, i: usize) -> &'a [Token] {
        &self.cells[i * self.width..][..self.width - 1]
    }

    /// The token between sets `i` and `i + 1`; [`EMPTY`] too on the right of the last set.
    pub fn slot(&self, i: usize) -> Token {
        self.cells[(i + 1) * self.width - 1]
    }

    /// The slot as a row of one token, to be gone through like a set.
    pub fn slot_cell(&self, i: usize) -> &'a [Token] {
        &self.cells[(i + 1) * self.width - 1..(i + 1) * self.width]
    }

    /// Tokens of all sets and slots; zeros between.
    pub fn cells(&self) -> &'a [Token] {
        self.cells
    }

    fn holds_inside(&self, i: usize, pair: Pair) -> bool {
        let set = self.room(i);
        !pair.is_twin() && has(set, pair.first()) && has(set, pair.second())
    }

    fn holds_across(&self, i: usize, pair: Pair) -> bool {
        let (left, right) = (self.room(i), self.room(i + 1));
        let (u, v) = (pair.first(), pair.second());
        match self.slot(i) {
            EMPTY => has(left, u) && has(right, v) || has(left, v) && has(right, u),
            slot => pair.partner(slot).is_some_and(|token| has(left, token) || has(right, token)),
        }
    }

    /// As [`History::find`]. Looks for the later token of the pair first: it is the rarer one as a rule.
    pub fn find(&self, pair: Pair, from: usize) -> Option<Stretch> {
        let mut start = from * self.width;
        loop {
            let i = (start + position(&self.cells[start..], pair.second())?) / self.width;
            let here = if i > from && self.holds_across(i - 1, pair) { i - 1 } else { i };
            if here < i || self.holds_at(i, pair).is_some() {
                return Some(self.extend(pair, here));
            }
            start = (i + 1) * self.width;
        }
    }

    /// The stretch that starts at set `first`.
    fn extend(&self, pair: Pair, first: usize) -> Stretch {
        let (mut i, mut last) = (first, first);
        while i < self.len() && i <= last + 1 {
            last = self.holds_at(i, pair).unwrap_or(last);
            i += 1;
        }
        Stretch { first, last }
    }

    /// Whether the pair stands inside set `i` or across its right boundary, and up to which set.
    fn holds_at(&self, i: usize, pair: Pair) -> Option<usize> {
        if i + 1 < self.len() && self.holds_across(i, pair) {
            Some(i + 1)
        } else {
            Some(i).filter(|&i| self.holds_inside(i, pair))
        }
    }
}

/// A plain loop: sets are too short for what the library does to long rows.
fn has(set: &[Token], token: Token) -> bool {
    let mut i = 0;
    while i < set.len() && set[i] != token {
        i += 1;
    }
    i < set.len()
}

/// The first cell that holds a token. A look at many cells at once, without a branch for each.
fn position(cells: &[Token], token: Token) -> Option<usize> {
    let mut chunks = cells.chunks_exact(LINE);
    let mut start = 0;
    for chunk in chunks.by_ref() {
        if chunk.iter().map(|&cell| u32::from(cell == token)).sum::<u32>() > 0 {
            break;
        }
        start += LINE;
    }
    Some(start + cells[start..].iter().position(|&cell| cell == token)?)
}

/// One history, to be changed.
pub struct RowMut<'a> {
    width: usize,
    cells: &'a mut [Token],
    len: &'a mut u32,
}

impl RowMut<'_> {
    fn len(&self) -> usize {
        *self.len as usize
    }

    pub fn view(&self) -> Row<'_> {
        Row { width: self.width, cells: &self.cells[..self.len() * self.width], len: self.len() }
    }

    /// Merges the pair wherever it stands in the stretch, from left to right. Leaves emptied sets empty, and
    /// tells whether there are any.
    pub fn merge(&mut self, stretch: Stretch, pair: Pair, token: Token, joined: &mut Joined) -> bool {
        for i in stretch.first..=stretch.last {
            joined.inside += u64::from(self.merge_inside(i, pair, token));
            if i < stretch.last {
                joined.across += self.merge_across(i, pair, token);
            }
        }
        (stretch.first..=stretch.last).any(|i| self.is_empty(i))
    }

    fn merge_inside(&mut self, i: usize, pair: Pair, token: Token) -> bool {
        let holds = self.view().holds_inside(i, pair);
        if holds {
            self.take(i, pair.first());
            self.take(i, pair.second());
            self.put(i, token);
        }
        holds
    }

    fn merge_across(&mut self, i: usize, pair: Pair, token: Token) -> u64 {
        let slot = (i + 1) * self.width - 1;
        if self.cells[slot] != EMPTY {
            // Once merged, the slot holds the new token, which is neither of the pair.
            for side in [i, i + 1] {
                if pair.partner(self.cells[slot]).is_some_and(|partner| self.take(side, partner)) {
                    self.cells[slot] = token;
                    return 1;
                }
            }
            return 0;
        }
        let (u, v) = (pair.first(), pair.second());
        for (left, right) in [(u, v), (v, u)] {
            if has(self.view().room(i), left) && self.take(i + 1, right) {
                self.take(i, left);
                self.cells[slot] = token;
                return 1;
            }
        }
        0
    }

    /// As [`History::settle`].
    pub fn settle(&mut self, stretch: Stretch) -> Stretch {
        let Stretch { first, mut last } = stretch;
        let mut i = first;
        while i <= last {
            if self.is_empty(i) && !self.refill(i) {
                self.drop_set(i);
                last -= 1;
            } else {
                i += 1;
            }
        }
        Stretch { first, last }
    }

    /// Both slots beside the set are empty, so the left one goes with it, and the right one stays in the
    /// left neighbour's place: nothing but the set's own stride has to go.
    fn drop_set(&mut self, i: usize) {
        let (len, width) = (self.len(), self.width);
        self.cells.copy_within((i + 1) * width..len * width, i * width);
        *self.len -= 1;
    }

    fn refill(&mut self, i: usize) -> bool {
        let around = [i.checked_sub(1), Some(i).filter(|&i| i + 1 < self.len())];
        let slots = around.into_iter().flatten().map(|i| (i + 1) * self.width - 1);
        let full = slots.into_iter().find(|&slot| self.cells[slot] != EMPTY);
        if let Some(slot) = full {
            let token = std::mem::replace(&mut self.cells[slot], EMPTY);
            self.put(i, token);
        }
        full.is_some()
    }

    fn is_empty(&self, i: usize) -> bool {
        self.cells[i * self.width] == EMPTY
    }

    fn put(&mut self, i: usize, token: Token) {
        let room = &mut self.cells[i * self.width..][..self.width - 1];
        room[size(room)] = token;
    }

    fn take(&mut self, i: usize, token: Token) -> bool {
        let room = &mut self.cells[i * self.width..][..self.width - 1];
        let found = room.iter().position(|&other| other == token);
        if let Some(place) = found {
            let last = size(room) - 1;
            room[place] = room[last];
            room[last] = EMPTY;
        }
        found.is_some()
    }
}

/// Tokens in the cells of a set: those in front. Counting them costs less than a second array would, which is
/// one line of the cache more for every history that a merge touches.
fn size(room: &[Token]) -> usize {
    room.iter().map(|&cell| usize::from(cell != EMPTY)).sum()
}
