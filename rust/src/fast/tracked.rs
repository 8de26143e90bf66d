//! Exact counts of the pairs that may be merged next, and a heap of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::pair::Pair;

/// A pair that is counted. No pair has the key 0, which marks room.
#[derive(Clone, Copy, Default)]
struct Slot {
    key: u64,
    count: i64,
    /// At least the count, or the pair waits in `risen`: the heap has an entry as high as this, or this is
    /// below the floor.
    queued: i64,
}

/// Pairs found in one phase, in a table of open addressing. Before it lies one bit for each of many hashes:
/// most pairs asked for are not there, and the bits, which stay in the cache, say so at once.
pub struct Tracked {
    slots: Vec<Slot>,
    len: usize,
    bits: Vec<u64>,
    /// Only pairs that count at least this much are of interest.
    floor: i64,
    heap: BinaryHeap<(i64, Reverse<u64>)>,
    risen: Vec<u32>,
}

/// Where changes of counts go.
pub trait Book {
    /// Adds to the count of a pair, if it is tracked.
    fn bump(&mut self, pair: Pair, change: i64);
}

impl Book for Tracked {
    #[inline]
    fn bump(&mut self, pair: Pair, change: i64) {
        if let Some(i) = self.slot(pair) {
            self.apply(i, change);
        }
    }
}

/// Bits for each slot of the table.
const BITS_A_SLOT: usize = 8;

impl Tracked {
    pub fn new(floor: i64) -> Self {
        Self {
            slots: vec![Slot::default(); 1 << 10],
            len: 0,
            bits: vec![0; (1 << 10) * BITS_A_SLOT / 64],
            floor,
            heap: BinaryHeap::new(),
            risen: Vec::new(),
        }
    }

    pub fn floor(&self) -> i64 {
        self.floor
    }

    /// The slot of a pair, if it is tracked. Good until the next pair is added.
    #[inline]
    pub fn slot(&self, pair: Pair) -> Option<usize> {
        let hash = pair.hash();
        if !self.has_bit(hash) {
            return None;
        }
        let i = self.find(pair.key(), hash);
        (self.slots[i].key != 0).then_some(i)
    }

    /// Adds to the count of the pair in a slot.
    #[inline]
    pub fn apply(&mut self, i: usize, change: i64) {
        let slot = &mut self.slots[i];
        slot.count += change;
        if slot.count > slot.queued {
            slot.queued = i64::MAX;
            self.risen.push(i as u32);
        }
    }

    /// Adds to the count of a pair, which is tracked from now on.
    #[inline]
    pub fn add(&mut self, pair: Pair, count: i64) {
        if (self.len + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let hash = pair.hash();
        self.set_bit(hash);
        let i = self.find(pair.key(), hash);
        let slot = &mut self.slots[i];
        if slot.key == 0 {
            *slot = Slot { key: pair.key(), count: 0, queued: self.floor - 1 };
            self.len += 1;
        }
        slot.count += count;
    }

    /// As [`Self::add`] of a new pair, with its entry in the heap.
    pub fn insert(&mut self, pair: Pair, count: i64) {
        self.add(pair, count);
        if count >= self.floor {
            let i = self.find(pair.key(), pair.hash());
            self.slots[i].queued = count;
            self.heap.push((count, Reverse(pair.key())));
        }
    }

    /// Makes the heap, once everything has been added.
    pub fn fill_heap(&mut self) {
        let mut entries = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.count >= self.floor) {
            slot.queued = slot.count;
            entries.push((slot.count, Reverse(slot.key)));
        }
        self.heap = entries.into();
    }

    /// Gives the pairs that rose since the last call their entries in the heap.
    pub fn settle(&mut self) {
        for i in self.risen.drain(..) {
            let slot = &mut self.slots[i as usize];
            slot.queued = self.floor - 1;
            if slot.count >= self.floor {
                slot.queued = slot.count;
                self.heap.push((slot.count, Reverse(slot.key)));
            }
        }
    }

    /// The heaviest pair of those that count at least the floor.
    pub fn pop(&mut self) -> Option<(Pair, i64)> {
        while let Some((queued, Reverse(key))) = self.heap.pop() {
            let pair = Pair::from_key(key);
            let i = self.find(key, pair.hash());
            let slot = &mut self.slots[i];
            let count = slot.count;
            if count == queued {
                return Some((pair, count));
            }
            // An entry below the count has a better twin in the heap; one above may be the pair's last.
            if count < queued {
                slot.queued = self.floor - 1;
                if count >= self.floor {
                    slot.queued = count;
                    self.heap.push((count, Reverse(key)));
                }
            }
        }
        None
    }

    pub fn count(&self, pair: Pair) -> i64 {
        self.slots[self.find(pair.key(), pair.hash())].count
    }

    /// Every pair that is tracked with its count, in no particular order.
    pub fn each(&self, mut emit: impl FnMut(Pair, i64)) {
        for slot in self.slots.iter().filter(|slot| slot.key != 0) {
            emit(Pair::from_key(slot.key), slot.count);
        }
    }

    /// The slot of a pair, or the one where it would go.
    fn find(&self, key: u64, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut i = top(hash, self.slots.len());
        loop {
            let other = self.slots[i].key;
            if other == key || other == 0 {
                return i;
            }
            i = (i + 1) & mask;
        }
    }

    fn has_bit(&self, hash: u64) -> bool {
        let bit = top(hash, self.bits.len() * 64);
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn set_bit(&mut self, hash: u64) {
        let bit = top(hash, self.bits.len() * 64);
        self.bits[bit / 64] |= 1 << (bit % 64);
    }

    fn grow(&mut self) {
        let n_slots = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); n_slots]);
        self.bits = vec![0; n_slots * BITS_A_SLOT / 64];
        for slot in old.into_iter().filter(|slot| slot.key != 0) {
            let hash = Pair::from_key(slot.key).hash();
            self.set_bit(hash);
            let i = self.find(slot.key, hash);
            self.slots[i] = slot;
        }
    }
}

/// The first bits of a hash, as a place among `n`, a power of two above 1.
pub fn top(hash: u64, n: usize) -> usize {
    (hash >> (64 - n.trailing_zeros())) as usize
}
