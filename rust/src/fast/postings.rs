//! The histories that hold a token.

use crate::pair::{Pair, Token};

/// For every token the histories that hold it, rising; some may have lost it since.
pub struct Postings {
    lists: Vec<List>,
}

#[derive(Default, Clone)]
struct List {
    rows: Vec<u32>,
    /// Rows of the list that have lost the token.
    gone: Vec<u32>,
}

/// A list that holds more than one row in so many that are gone is cleaned.
const STALE: usize = 16;

/// A list longer than so many times the other is not looked at: asking the histories themselves is cheaper.
const MUCH_LONGER: usize = 8;

impl Postings {
    /// From every history's tokens; a token may come several times in a row.
    pub fn new<'a>(n_tokens: usize, rows: &(impl Iterator<Item = &'a [Token]> + Clone)) -> Self {
        let mut sizes = vec![0_u32; n_tokens];
        let mut last = vec![u32::MAX; n_tokens];
        let mut each = |lists: &mut dyn FnMut(Token, u32)| {
            last.fill(u32::MAX);
            for (number, row) in (0..).zip(rows.clone()) {
                for &token in row {
                    if token != 0 && std::mem::replace(&mut last[token as usize], number) != number {
                        lists(token, number);
                    }
                }
            }
        };
        each(&mut |token, _| sizes[token as usize] += 1);
        let room = |&size: &u32| List { rows: Vec::with_capacity(size as usize), gone: Vec::new() };
        let mut lists: Vec<List> = sizes.iter().map(room).collect();
        each(&mut |token, row| lists[token as usize].rows.push(row));
        Self { lists }
    }

    /// Puts into `rows` the histories that may hold both tokens of a pair.
    pub fn both(&self, pair: Pair, rows: &mut Vec<u32>) {
        rows.clear();
        let of = |token: Token| self.lists[token as usize].rows.as_slice();
        let (mut short, mut long) = (of(pair.first()), of(pair.second()));
        if short.len() > long.len() {
            (short, long) = (long, short);
        }
        if pair.is_twin() || short.len() * MUCH_LONGER < long.len() {
            rows.extend_from_slice(short);
        } else {
            intersect(short, long, rows);
        }
    }

    /// Adds the list of a new token.
    pub fn push(&mut self, rows: Vec<u32>) {
        self.lists.push(List { rows, gone: Vec::new() });
    }

    /// Notes that histories have lost a token.
    pub fn lose(&mut self, token: Token, rows: &mut Vec<u32>) {
        self.lists[token as usize].gone.append(rows);
    }

    /// Cleans the list of a token, if it is worth it.
    pub fn clean(&mut self, token: Token) {
        let List { rows, gone } = &mut self.lists[token as usize];
        if gone.len() * STALE < rows.len() {
            return;
        }
        gone.sort_unstable();
        let mut next = gone.iter().copied().peekable();
        rows.retain(|&row| next.next_if_eq(&row).is_none());
        *gone = Vec::new();
        if rows.len() * 2 < rows.capacity() {
            rows.shrink_to_fit();
        }
    }
}

/// Without a branch on which list is ahead: that one is never foreseen.
fn intersect(a: &[u32], b: &[u32], both: &mut Vec<u32>) {
    both.resize(a.len() + 1, 0);
    let (mut i, mut j, mut len) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let (left, right) = (a[i], b[j]);
        both[len] = left;
        len += usize::from(left == right);
        i += usize::from(left <= right);
        j += usize::from(right <= left);
    }
    both.truncate(len);
}
