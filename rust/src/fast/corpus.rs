//! The histories in one flat array.
//!
//! Every set takes one stride of `n + 1` cells: room for its tokens, closed up at the front with zeros behind,
//! and last the slot on its right. So a history is one stretch of memory that is gone through without a
//! branch, and merges never allocate.

use crate::engine::Joined;
use crate::history::{EMPTY, History, Stretch};
use crate::items::Histories;
use crate::pair::{Pair, Token};

pub struct Corpus {
    /// Cells of one set, its slot included.
    width: usize,
    cells: Vec<Token>,
    /// Tokens in each set.
    sizes: Vec<u8>,
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
            sizes: vec![n_categories as u8; histories.n_events()],
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
        Row {
            width: self.width,
            cells: &self.cells[start * self.width..(start + len) * self.width],
            sizes: &self.sizes[start..start + len],
        }
    }

    pub fn row_mut(&mut self, row: usize) -> RowMut<'_> {
        let (start, len) = self.place(row);
        RowMut {
            width: self.width,
            cells: &mut self.cells[start * self.width..(start + len) * self.width],
            sizes: &mut self.sizes[start..start + len],
            len: &mut self.rows[row].len,
        }
    }

    /// Brings histories into the cache, all at the same time: one after the other, the wait for each would be
    /// most of a merge.
    pub fn fetch(&self, rows: &[u32]) {
        let mut seen = 0;
        for &row in rows {
            let Place { start, len } = self.rows[row as usize];
            let (start, end) = (start as usize, (start + len) as usize);
            let lines = self.cells[start * self.width..end * self.width].iter().step_by(LINE);
            seen = lines.fold(seen ^ Token::from(self.sizes[start]), |seen, cell| seen ^ cell);
        }
        std::hint::black_box(seen);
    }

    pub fn history(&self, row: usize) -> History {
        let row = self.row(row);
        let sets = (0..row.len()).map(|i| row.set(i).to_vec()).collect();
        History::from_parts(sets, (0..row.len() - 1).map(|i| row.slot(i)).collect())
    }
}

/// One history.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    width: usize,
    cells: &'a [Token],
    sizes: &'a [u8],
}

impl<'a> Row<'a> {
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// The tokens of set `i`.
    pub fn set(&self, i: usize) -> &'a [Token] {
        &self.cells[i * self.width..][..self.size(i)]
    }

    pub fn size(&self, i: usize) -> usize {
        usize::from(self.sizes[i])
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
        let set = self.set(i);
        !pair.is_twin() && has(set, pair.first()) && has(set, pair.second())
    }

    fn holds_across(&self, i: usize, pair: Pair) -> bool {
        let (left, right) = (self.set(i), self.set(i + 1));
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
    sizes: &'a mut [u8],
    len: &'a mut u32,
}

impl RowMut<'_> {
    fn len(&self) -> usize {
        *self.len as usize
    }

    pub fn view(&self) -> Row<'_> {
        Row {
            width: self.width,
            cells: &self.cells[..self.len() * self.width],
            sizes: &self.sizes[..self.len()],
        }
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
        self.sizes[stretch.first..=stretch.last].contains(&0)
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
            if self.view().set(i).contains(&left) && self.take(i + 1, right) {
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
            if self.sizes[i] == 0 && !self.refill(i) {
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
        self.sizes.copy_within(i + 1..len, i);
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

    fn put(&mut self, i: usize, token: Token) {
        self.cells[i * self.width + usize::from(self.sizes[i])] = token;
        self.sizes[i] += 1;
    }

    fn take(&mut self, i: usize, token: Token) -> bool {
        let size = usize::from(self.sizes[i]);
        let set = &mut self.cells[i * self.width..][..size];
        let found = set.iter().position(|&other| other == token);
        if let Some(place) = found {
            set[place] = set[size - 1];
            set[size - 1] = EMPTY;
            self.sizes[i] -= 1;
        }
        found.is_some()
    }
}
