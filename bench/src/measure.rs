//! How everything here is measured: contestants take turns, forwards and then backwards, so that a drift of the machine strikes
//! all alike; the first round is thrown away; what is reported is the median of the rounds' ratios, with the extremes.
//!
//! Nothing here may assert on a time: a number is printed with the load it was measured under, and people judge it.

use std::time::Duration;

use anyhow::{Context, Result};

/// One thing to be measured; each call is one sample, in whatever unit the benchmark uses.
pub(crate) struct Contestant<'a> {
    pub(crate) name: &'static str,
    sample: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Contestant<'a> {
    pub(crate) fn new(name: &'static str, sample: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name, sample: Box::new(sample) }
    }
}

/// The values of every round, by contestant.
pub(crate) struct Rounds {
    names: Vec<&'static str>,
    values: Vec<Vec<f64>>,
}

/// Median and extremes.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Lets the contestants take turns: A B C C B A is one round.
pub(crate) fn rounds(count: usize, mut contestants: Vec<Contestant<'_>>) -> Result<Rounds> {
    let names: Vec<_> = contestants.iter().map(|contestant| contestant.name).collect();
    let mut values = vec![Vec::new(); names.len()];
    for round in 0..=count {
        let mut sums = vec![0.0; names.len()];
        let forwards = 0..names.len();
        for turn in forwards.clone().chain(forwards.rev()) {
            let contestant = &mut contestants[turn];
            sums[turn] += (contestant.sample)().with_context(|| contestant.name)?;
        }
        if round > 0 {
            values.iter_mut().zip(&sums).for_each(|(values, sum)| values.push(sum / 2.0));
        }
    }
    Ok(Rounds { names, values })
}

impl Rounds {
    fn of(&self, name: &str) -> &[f64] {
        let at = self.names.iter().position(|other| *other == name);
        at.map_or(&[], |at| &self.values[at])
    }

    /// The spread of one contestant's values.
    pub(crate) fn value(&self, name: &str) -> Spread {
        spread(self.of(name))
    }

    /// The spread of `f(left, right)` over the rounds.
    pub(crate) fn pair(&self, left: &str, right: &str, f: impl Fn(f64, f64) -> f64) -> Spread {
        let both: Vec<f64> =
            self.of(left).iter().zip(self.of(right)).map(|(left, right)| f(*left, *right)).collect();
        spread(&both)
    }

    /// The spread of the rounds' ratios.
    pub(crate) fn ratio(&self, left: &str, right: &str) -> Spread {
        self.pair(left, right, |left, right| left / right)
    }

    /// The spread of the rounds' differences.
    pub(crate) fn added(&self, left: &str, right: &str) -> Spread {
        self.pair(left, right, |left, right| left - right)
    }

    /// How many rounds counted.
    pub(crate) fn count(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }
}

/// Median and extremes of values.
pub(crate) fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |fraction: f64| sorted.get((sorted.len() as f64 * fraction) as usize).copied();
    Spread {
        median: at(0.5).unwrap_or(f64::NAN),
        min: sorted.first().copied().unwrap_or(f64::NAN),
        max: sorted.last().copied().unwrap_or(f64::NAN),
    }
}

/// The value below which `fraction` of them lie.
pub(crate) fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * fraction).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Milliseconds, with their fraction.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Microseconds, with their fraction.
pub(crate) fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
