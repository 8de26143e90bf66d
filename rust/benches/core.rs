//! Training, the plain way and the fast one, and encoding on a small synthetic corpus, for a quick look while
//! working on the core. `scripts/bench_vocabulary.py` and `scripts/bench_encoding.py` measure on real corpora.

use std::ops::ControlFlow;
use std::time::Duration;

use clairo::{Encoder, Histories, Items, Options, Result, Trainer, Vocabulary};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ITEMS: u64 = 400;
const HISTORIES: u64 = 300;
const SIZE: usize = 1000;

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % n
    }
}

/// Five codes an item, which the first two tell apart. Some items are bought often, and after many of them the
/// next one of the table.
fn corpus() -> Result<(Items, Histories)> {
    let mut dice = Dice(0);
    let mut values = Vec::new();
    for item in 0..ITEMS {
        values.extend(
            [item / 25, item % 25, dice.below(16), dice.below(16), dice.below(16)].map(|it| it as i64),
        );
    }
    let (mut offsets, mut events) = (vec![0], Vec::new());
    for _ in 0..HISTORIES {
        let mut item = dice.below(ITEMS);
        for _ in 0..=dice.below(12) {
            events.push(item as i64);
            let popular = dice.below(ITEMS).min(dice.below(ITEMS)).min(dice.below(ITEMS));
            item = if dice.below(2) == 0 { (item + 1) % ITEMS } else { popular };
        }
        offsets.push(events.len() as i64);
    }
    Ok((Items::new(values, 5)?, Histories::new(&offsets, &events, ITEMS as usize)?))
}

fn train(items: &Items, histories: &Histories, plain: bool) -> Result<Vocabulary> {
    let options = Options { size: SIZE, cardinalities: None, threads: Some(1), plain };
    let mut go_on = |_, _| ControlFlow::Continue(());
    let mut trainer = Trainer::new(items, histories, &options, &mut go_on)?;
    trainer.run(&mut go_on)?;
    Ok(trainer.finish())
}

fn training(criterion: &mut Criterion) {
    let (items, histories) = corpus().expect("a corpus");
    let [plain, fast] = [true, false].map(|plain| train(&items, &histories, plain).expect("a vocabulary"));
    assert_eq!((plain.merges(), plain.counts()), (fast.merges(), fast.counts()));
    assert_eq!(plain.len(), SIZE);
    let mut group = criterion.benchmark_group("training");
    for (name, plain) in [("plain", true), ("fast", false)] {
        group.bench_function(name, |bencher| bencher.iter(|| train(&items, &histories, plain)));
    }
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let (items, histories) = corpus().expect("a corpus");
    let vocabulary = train(&items, &histories, false).expect("a vocabulary");
    let rows: Vec<u64> = (0..HISTORIES).collect();
    let encoder = Encoder::new(&vocabulary, &items).expect("known items");
    let mut go_on = |_, _| ControlFlow::Continue(());
    let mut group = criterion.benchmark_group("encoding");
    group.throughput(Throughput::Elements(histories.n_events() as u64));
    group.bench_function("permuted", |bencher| {
        bencher.iter(|| encoder.encode(&histories, (0, &rows), Some(1), &mut go_on));
    });
    group.bench_function("deterministic", |bencher| {
        bencher.iter(|| encoder.encode_deterministic(&histories, Some(1), &mut go_on));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = training, encoding
}
criterion_main!(benches);
