//! Changes to a file that is JSON, so that fuzzing gets past the parser: one entry takes another value, goes,
//! comes twice, or changes places. Other changes, and all of what is no JSON, are libFuzzer's.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Where a chance of one in `n` is needed: splitmix64 over libFuzzer's seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % n.max(1) as u64) as usize
    }
}

/// Changes `data[..size]` in place; returns the new size.
pub fn change(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    if dice.below(4) > 0
        && let Ok(mut file) = serde_json::from_slice::<Value>(&data[..size])
    {
        for _ in 0..=dice.below(3) {
            change_entry(&mut file, &mut dice);
        }
        let text = file.to_string();
        if text.len() <= max_size {
            data[..text.len()].copy_from_slice(text.as_bytes());
            return text.len();
        }
    }
    fuzzer_mutate(data, size, max_size)
}

/// Walks down to a random entry and changes it, or the list that it stands in.
fn change_entry(value: &mut Value, dice: &mut Dice) {
    let stop = dice.below(5) == 0;
    match value {
        Value::Array(list) if !list.is_empty() && !stop => {
            let i = dice.below(list.len());
            match dice.below(8) {
                0 => drop(list.remove(i)),
                1 => list.insert(i, list[i].clone()),
                2 => {
                    let j = dice.below(list.len());
                    list.swap(i, j);
                }
                3 => list[i] = list[dice.below(list.len())].clone(),
                _ => change_entry(&mut list[i], dice),
            }
        }
        Value::Object(entries) if !entries.is_empty() && !stop => {
            let i = dice.below(entries.len());
            let key = entries.keys().nth(i).cloned().unwrap_or_default();
            if dice.below(16) == 0 {
                entries.remove(&key);
            } else if let Some(entry) = entries.get_mut(&key) {
                change_entry(entry, dice);
            }
        }
        other => *other = another(other, dice),
    }
}

/// A value near the old one, or one at an edge.
fn another(old: &Value, dice: &mut Dice) -> Value {
    if let Some(number) = old.as_i64()
        && dice.below(2) == 0
    {
        return json!(number.wrapping_add([-2, -1, 1, 2][dice.below(4)]));
    }
    if let Some(number) = old.as_str().and_then(|text| text.parse::<i128>().ok())
        && dice.below(2) == 0
    {
        return json!(
            [number.wrapping_add(1), number.wrapping_mul(2), number.wrapping_neg()][dice.below(3)]
                .to_string()
        );
    }
    let edges = json!([
        null,
        true,
        [],
        {},
        "",
        "1",
        "-1",
        "170141183460469231731687303715884105727",
        "x",
        0,
        1,
        2,
        3,
        -1,
        -2,
        65_536,
        65_537,
        67_108_864,
        67_108_865,
        4_294_967_295_u32,
        4_294_967_296_i64,
        i64::MAX,
        i64::MIN,
        u64::MAX,
        0.0,
        -0.0,
        0.5,
        1.5,
        2.0,
        1e-320,
        1e300,
        [-1, -1],
        [0, 0],
        [0, 1],
        [1, 0],
        [-1, 1, 1],
        [-1, 1, 2],
        [-1, 2, 1],
        [-1, 3, 3],
        [0, i64::MAX],
        [1, 1, 1, 1]
    ]);
    edges[dice.below(edges.as_array().map_or(0, Vec::len))].clone()
}
