//! Data on its way to training: which samples, in which order, in which batches; and reading files of them.
//!
//! A [`Stream`] deals in numbers of samples, so one serves pictures, labels and weights alike; [`gather`] makes tensors of
//! a batch. All that is random comes from seeds.

mod csv;
mod idx;
mod split;

pub use csv::Table;
pub use idx::read_idx;
pub use split::{Split, split, stratified_split};

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::layers::Random;
use crate::tensor::{Data, Tensor};

/// What a stream does with what came before, as the method of `tf.data.Dataset` of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Shuffle { buffer: usize, seed: u64, reshuffle: bool },
    Repeat(Option<usize>),
    Take(usize),
    Skip(usize),
}

/// Samples by number, through stages in the order in which they were added.
#[derive(Debug)]
pub struct Stream {
    samples: usize,
    stages: Vec<Stage>,
    batch: usize,
    drop_remainder: bool,
    /// How often the stream was run through, so that every epoch is shuffled anew.
    rounds: AtomicU64,
}

impl Stream {
    /// The samples from 0 up, one a batch.
    pub fn new(samples: usize) -> Stream {
        Stream { samples, stages: Vec::new(), batch: 1, drop_remainder: false, rounds: AtomicU64::new(0) }
    }

    fn with(mut self, stage: Stage) -> Stream {
        self.stages.push(stage);
        self
    }

    /// Each next sample is drawn from a buffer of so many, which is filled up from what comes: a buffer of all samples
    /// shuffles perfectly, a small one hardly. Every repetition and every epoch has an order of its own.
    pub fn shuffle(self, buffer: usize, seed: u64) -> Stream {
        self.with(Stage::Shuffle { buffer: buffer.max(1), seed, reshuffle: true })
    }

    /// As [`Stream::shuffle`], with the same order every time.
    pub fn shuffle_once(self, buffer: usize, seed: u64) -> Stream {
        self.with(Stage::Shuffle { buffer: buffer.max(1), seed, reshuffle: false })
    }

    /// So many times, or without end.
    pub fn repeat(self, times: Option<usize>) -> Stream {
        self.with(Stage::Repeat(times))
    }

    /// The first so many.
    pub fn take(self, count: usize) -> Stream {
        self.with(Stage::Take(count))
    }

    /// All but the first so many.
    pub fn skip(self, count: usize) -> Stream {
        self.with(Stage::Skip(count))
    }

    /// So many samples a batch; the last batch is smaller, or is left out.
    pub fn batch(mut self, size: usize, drop_remainder: bool) -> Stream {
        (self.batch, self.drop_remainder) = (size.max(1), drop_remainder);
        self
    }

    /// The batches of one run through the stream. The next call is the next epoch.
    pub fn batches(&self) -> Batches<'_> {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        Batches { samples: samples(&self.stages, self.samples, round), size: self.batch, whole: self.drop_remainder }
    }

    /// Batches of one run; `None` if there is no end.
    pub fn len(&self) -> Option<usize> {
        let mut count = Some(self.samples);
        for stage in &self.stages {
            count = match (*stage, count) {
                (Stage::Shuffle { .. }, count) => count,
                (_, Some(0)) => Some(0),
                (Stage::Repeat(times), count) => count.zip(times).map(|(n, times)| n.saturating_mul(times)),
                (Stage::Take(n), count) => Some(count.map_or(n, |count| count.min(n))),
                (Stage::Skip(n), count) => count.map(|count| count.saturating_sub(n)),
            };
        }
        count.map(|n| if self.drop_remainder { n / self.batch } else { n.div_ceil(self.batch) })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

type Samples<'a> = Box<dyn Iterator<Item = usize> + 'a>;

/// The numbers behind a list of stages. `round` tells repetitions and epochs apart.
fn samples(stages: &[Stage], count: usize, round: u64) -> Samples<'_> {
    let Some((stage, before)) = stages.split_last() else { return Box::new(0..count) };
    match *stage {
        Stage::Take(n) => Box::new(samples(before, count, round).take(n)),
        Stage::Skip(n) => Box::new(samples(before, count, round).skip(n)),
        Stage::Repeat(times) => {
            // A repetition is a round of its own. One that is empty would be repeated for ever.
            let mut repetition = 0;
            let mut current: Samples = Box::new(std::iter::empty());
            let mut fruitless = false;
            Box::new(std::iter::from_fn(move || {
                loop {
                    if let Some(sample) = current.next() {
                        fruitless = false;
                        return Some(sample);
                    }
                    if fruitless || times.is_some_and(|n| repetition >= n as u64) {
                        return None;
                    }
                    fruitless = true;
                    current = samples(before, count, round.wrapping_mul(0x9e37_79b9).wrapping_add(repetition));
                    repetition += 1;
                }
            }))
        }
        Stage::Shuffle { buffer, seed, reshuffle } => {
            let round_of = if reshuffle { round } else { 0 };
            let mut random = Random::new(&format!("shuffle/{round_of}"), seed);
            let mut upstream = samples(before, count, round);
            let mut held: Vec<usize> = Vec::new();
            Box::new(std::iter::from_fn(move || {
                while held.len() < buffer {
                    match upstream.next() {
                        Some(sample) => held.push(sample),
                        None => break,
                    }
                }
                if held.is_empty() { None } else { Some(held.swap_remove(below(&mut random, held.len()))) }
            }))
        }
    }
}

/// A whole number below `n`.
fn below(random: &mut Random, n: usize) -> usize {
    ((random.uniform() * n as f64) as usize).min(n.saturating_sub(1))
}

/// The numbers from 0 to `n - 1` in a random order.
fn permutation(n: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(random, i + 1));
    }
    order
}

/// Batches of sample numbers.
pub struct Batches<'a> {
    samples: Samples<'a>,
    size: usize,
    whole: bool,
}

impl Iterator for Batches<'_> {
    type Item = Vec<usize>;
    fn next(&mut self) -> Option<Vec<usize>> {
        let batch: Vec<usize> = self.samples.by_ref().take(self.size).collect();
        let enough = if self.whole { batch.len() == self.size } else { !batch.is_empty() };
        enough.then_some(batch)
    }
}

/// The samples of these numbers: rows along the first dimension of any tensor.
pub fn gather(tensor: &Tensor, samples: &[usize]) -> Result<Tensor> {
    let Some(&count) = tensor.shape().first() else {
        return Err(Error::mismatch("a scalar has no samples", "rank 1 or more", tensor.shape()));
    };
    if let Some(stray) = samples.iter().find(|&&i| i >= count) {
        return Err(Error::mismatch("no such sample", format!("below {count}"), stray));
    }
    let row: usize = tensor.shape()[1..].iter().product();
    let dims: Vec<usize> = [samples.len()].iter().chain(&tensor.shape()[1..]).copied().collect();
    let data = match tensor.data() {
        Data::F32(v) => Data::F32(samples.iter().flat_map(|i| &v[i * row..][..row]).copied().collect()),
        Data::I32(v) => Data::I32(samples.iter().flat_map(|i| &v[i * row..][..row]).copied().collect()),
        Data::U8(v) => Data::U8(samples.iter().flat_map(|i| &v[i * row..][..row]).copied().collect()),
    };
    Tensor::new(dims, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &Stream) -> Vec<Vec<usize>> {
        let batches: Vec<_> = stream.batches().collect();
        assert_eq!(stream.len(), Some(batches.len()));
        batches
    }

    #[test]
    fn stages_in_their_order() {
        assert_eq!(all(&Stream::new(5).batch(2, false)), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(all(&Stream::new(5).batch(2, true)), [[0, 1], [2, 3]]);
        assert_eq!(all(&Stream::new(5).skip(3).repeat(Some(2)).batch(3, false)), [vec![3, 4, 3], vec![4]]);
        assert_eq!(all(&Stream::new(3).repeat(None).take(7).batch(7, false)), [[0, 1, 2, 0, 1, 2, 0]]);
        assert_eq!(Stream::new(3).repeat(None).len(), None);
        assert!(Stream::new(0).repeat(None).batches().next().is_none() && Stream::new(3).take(0).is_empty());
    }

    #[test]
    fn a_shuffle_permutes_anew_each_epoch_from_its_seed() {
        let epochs = |stream: Stream| [(); 3].map(|_| stream.batches().flatten().collect::<Vec<usize>>());
        let first = epochs(Stream::new(100).shuffle(100, 7));
        for order in &first {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        }
        assert!(first[0] != first[1] && first[1] != first[2]);
        assert_eq!(epochs(Stream::new(100).shuffle(100, 7)), first);
        assert_ne!(epochs(Stream::new(100).shuffle(100, 8)), first);
        let once = epochs(Stream::new(100).shuffle_once(100, 7));
        assert_eq!(once[0], once[2]);
        let repeated = epochs(Stream::new(50).shuffle(50, 7).repeat(Some(2)));
        assert_ne!(repeated[0][..50], repeated[0][50..]);
    }

    #[test]
    fn a_buffer_lets_nothing_through_early() {
        let order: Vec<usize> = Stream::new(1000).shuffle(10, 3).batches().flatten().collect();
        // The sample at place i was among the first i + 10.
        assert!(order.iter().enumerate().all(|(i, &sample)| sample < i + 10));
        assert!(order.iter().enumerate().any(|(i, &sample)| sample + 10 < i), "some wait long");
        let unchanged: Vec<usize> = Stream::new(9).shuffle(1, 3).batches().flatten().collect();
        assert_eq!(unchanged, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn rows_of_any_type() {
        let x = Tensor::u8([3, 2], vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(gather(&x, &[2, 0, 2]).unwrap(), Tensor::u8([3, 2], vec![5, 6, 1, 2, 5, 6]).unwrap());
        assert!(gather(&x, &[3]).is_err() && gather(&Tensor::scalar(1.0), &[0]).is_err());
    }
}
