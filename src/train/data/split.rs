//! Parting samples into those to train on and those to test with.

use super::permutation;
use crate::error::{Error, Result};
use crate::layers::Random;

/// Numbers of samples, in a random order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// To train on.
    pub train: Vec<usize>,
    /// To test with.
    pub test: Vec<usize>,
}

/// Parts `samples` at random, `test` of them (a part of 1, rounded up) to test with.
pub fn split(samples: usize, test: f64, seed: u64) -> Result<Split> {
    let count = test_count(samples, test)?;
    let mut order = permutation(samples, &mut Random::new("split", seed));
    let train = order.split_off(count);
    Ok(Split { train, test: order })
}

/// As [`split`], every class as often in either part as in the whole, as nearly as whole numbers allow.
///
/// Errors: a class with fewer than two samples, or parts smaller than the number of classes.
pub fn stratified_split(labels: &[i64], test: f64, seed: u64) -> Result<Split> {
    let count = test_count(labels.len(), test)?;
    let mut classes: Vec<i64> = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let members: Vec<Vec<usize>> =
        classes.iter().map(|class| (0..labels.len()).filter(|&i| labels[i] == *class).collect()).collect();
    if let Some(rare) = members.iter().position(|m| m.len() < 2) {
        return Err(Error::invalid(format!("class {} has one sample only; it cannot be in both parts", classes[rare])));
    }
    let smaller = count.min(labels.len() - count);
    if smaller < classes.len() {
        return Err(Error::mismatch("a part has fewer samples than there are classes", classes.len(), smaller));
    }
    let mut random = Random::new("stratified split", seed);
    // Shares of the test part: whole numbers first, then one more for the largest rests, ties at random.
    let share = |m: &Vec<usize>| m.len() as f64 * count as f64 / labels.len() as f64;
    let mut counts: Vec<usize> = members.iter().map(|m| share(m) as usize).collect();
    let mut rests: Vec<(f64, f64, usize)> =
        members.iter().enumerate().map(|(i, m)| (share(m).fract(), random.uniform(), i)).collect();
    rests.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let missing = count - counts.iter().sum::<usize>();
    rests.iter().take(missing).for_each(|&(_, _, i)| counts[i] += 1);
    let mut parts = Split { train: Vec::new(), test: Vec::new() };
    for (members, count) in members.iter().zip(counts) {
        let order = permutation(members.len(), &mut random);
        parts.test.extend(order[..count].iter().map(|&i| members[i]));
        parts.train.extend(order[count..].iter().map(|&i| members[i]));
    }
    for part in [&mut parts.train, &mut parts.test] {
        let order = permutation(part.len(), &mut random);
        *part = order.into_iter().map(|i| part[i]).collect();
    }
    Ok(parts)
}

fn test_count(samples: usize, test: f64) -> Result<usize> {
    // Against 0.2 * 10 = 2.0000000000000004 and its like.
    let count = (test * samples as f64 - 1e-9).ceil();
    if !(test > 0.0 && test < 1.0) || count as usize >= samples {
        return Err(Error::invalid(format!("a part of {test} of {samples} samples leaves nothing for one of the two")));
    }
    Ok(count as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(parts: &Split) -> Vec<usize> {
        let mut all = [&parts.train[..], &parts.test[..]].concat();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_sample_once() {
        let parts = split(10, 0.25, 1).unwrap();
        assert_eq!((parts.test.len(), whole(&parts)), (3, (0..10).collect::<Vec<_>>()));
        assert_eq!(split(10, 0.2, 1).unwrap().test.len(), 2);
        assert_eq!(split(10, 0.25, 1).unwrap(), parts);
        assert_ne!(split(10, 0.25, 2).unwrap(), parts);
        assert!(split(10, 1.0, 1).is_err() && split(1, 0.5, 1).is_err() && split(0, 0.5, 1).is_err());
    }

    #[test]
    fn classes_keep_their_shares() {
        // 60, 30 and 11 of 101.
        let labels: Vec<i64> = (0..101)
            .map(|i| {
                if i < 60 {
                    3
                } else if i < 90 {
                    -1
                } else {
                    8
                }
            })
            .collect();
        let parts = stratified_split(&labels, 0.2, 5).unwrap();
        assert_eq!((parts.test.len(), whole(&parts)), (21, (0..101).collect::<Vec<_>>()));
        let of = |class: i64| parts.test.iter().filter(|&&i| labels[i] == class).count();
        // 12.48, 6.24 and 2.29: one more for the largest rest.
        assert_eq!([of(3), of(-1), of(8)], [13, 6, 2]);
        assert!(stratified_split(&[0, 0, 1], 0.5, 1).is_err(), "one of a class");
        assert!(stratified_split(&[0, 0, 1, 1], 0.2, 1).is_err(), "one sample for two classes");
    }
}
