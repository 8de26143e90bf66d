//! Corpora in, vocabularies out, for the tests.

#![allow(dead_code, reason = "every test takes what it needs")]

use std::ops::ControlFlow;

use clairo::encoder::Rows;
use clairo::{Encoder, Histories, Items, Options, Result, Token, Trainer, Vocabulary};

/// A corpus as the tests write it.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub features: Vec<Vec<i64>>,
    pub histories: Vec<Vec<usize>>,
}

impl Corpus {
    pub fn items(&self) -> Result<Items> {
        let n_categories = self.features.first().map_or(1, Vec::len);
        Items::new(self.features.concat(), n_categories)
    }

    pub fn histories(&self) -> Result<Histories> {
        let mut offsets = vec![0];
        let mut events = Vec::new();
        for history in &self.histories {
            events.extend(history.iter().map(|&item| item as i64));
            offsets.push(events.len() as i64);
        }
        Histories::new(&offsets, &events, self.features.len())
    }

    /// The trainer after its last merge.
    pub fn trainer(&self, options: &Options) -> Result<Trainer> {
        let mut trainer = Trainer::new(&self.items()?, &self.histories()?, options, &mut go_on)?;
        trainer.run(&mut go_on)?;
        Ok(trainer)
    }

    pub fn train_plain(&self, size: usize) -> Result<Vocabulary> {
        let options = Options { size, cardinalities: None, threads: Some(1), plain: true };
        self.trainer(&options).map(Trainer::finish)
    }

    /// A vocabulary of another corpus, over the same features, grown on this one.
    pub fn expand(&self, vocabulary: &Vocabulary, options: &Options) -> Result<Vocabulary> {
        let (items, histories) = (self.items()?, self.histories()?);
        let mut trainer = Trainer::expand(vocabulary, &items, &histories, options, &mut go_on)?;
        trainer.run(&mut go_on)?;
        Ok(trainer.finish())
    }

    pub fn train(&self, size: usize, threads: usize) -> Result<Vocabulary> {
        let options = Options { size, cardinalities: None, threads: Some(threads), plain: false };
        self.trainer(&options).map(Trainer::finish)
    }

    pub fn encoder<'a>(&self, vocabulary: &'a Vocabulary) -> Result<Encoder<&'a Vocabulary>> {
        Encoder::new(vocabulary, &self.items()?)
    }

    pub fn encode(&self, vocabulary: &Vocabulary, seed: u64, threads: usize) -> Result<Vec<Vec<Token>>> {
        let rows: Vec<u64> = (0..self.histories.len() as u64).collect();
        let encoder = self.encoder(vocabulary)?;
        Ok(split(&encoder.encode(&self.histories()?, (seed, &rows), Some(threads), &mut go_on)?))
    }

    pub fn encode_deterministic(&self, vocabulary: &Vocabulary, threads: usize) -> Result<Vec<Vec<Token>>> {
        let encoder = self.encoder(vocabulary)?;
        Ok(split(&encoder.encode_deterministic(&self.histories()?, Some(threads), &mut go_on)?))
    }

    pub fn canonical(&self, vocabulary: &Vocabulary) -> Result<Vec<Vec<Token>>> {
        self.encoder(vocabulary)?.canonical(Some(1), &mut go_on).map(|rows| split(&rows))
    }
}

pub fn go_on(_done: usize, _all: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn split(rows: &Rows) -> Vec<Vec<Token>> {
    rows.offsets.windows(2).map(|ends| rows.tokens[ends[0] as usize..ends[1] as usize].to_vec()).collect()
}

/// The merges as pairs of numbers.
pub fn merges(vocabulary: &Vocabulary) -> Vec<(Token, Token)> {
    vocabulary.merges().iter().map(|pair| (pair.first(), pair.second())).collect()
}

/// All that a vocabulary knows of its merges.
pub fn same(a: &Vocabulary, b: &Vocabulary) -> bool {
    let known = |it: &Vocabulary| it.counts().map(|it| (it.unit, it.counts.clone(), it.joined.clone()));
    merges(a) == merges(b) && known(a) == known(b)
}

/// The exact counts and the unit.
pub fn exact(vocabulary: &Vocabulary) -> (Vec<i128>, i128) {
    let exact = vocabulary.counts().expect("trained here");
    (exact.counts.clone(), exact.unit)
}
