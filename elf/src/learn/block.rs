//! What is believed of one domain: its usual success and the effect of each of its rules, as a joint
//! normal. Up to [`MOST_EXACT`] rules with their whole covariance, beyond that with variances only.
//! Decides nothing.

use std::collections::HashMap;

use super::{BASE, MOST_EXACT, PRIOR_SD};

/// The place of the domain's usual success.
pub(super) const USUAL: usize = 0;

/// The joint belief about one domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The place of each rule, by its number.
    places: HashMap<u64, usize>,
    mean: Vec<f64>,
    spread: Spread,
    tallies: Vec<Tally>,
}

/// How far off the means may be.
#[derive(Clone, Debug, PartialEq)]
enum Spread {
    /// Row by row; symmetric.
    Full(Vec<Vec<f64>>),
    /// Each for itself.
    Diagonal(Vec<f64>),
}

/// How often a rule stood in a prompt, and how often it fitted and did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the prompt.
    pub injected: u64,
    /// Fitted, and was kept back.
    pub withheld: u64,
    /// Whether it is golden.
    pub golden: bool,
}

/// What is believed of one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// The change in success that is expected of it.
    pub effect: f64,
    /// The standard deviation of that.
    pub sd: f64,
    /// What it rests on.
    pub tally: Tally,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            mean: vec![BASE.0],
            spread: Spread::Full(vec![vec![BASE.1]]),
            tallies: vec![Tally::default()],
        }
    }
}

impl Block {
    /// Takes a rule up; one that is known stays as it is.
    pub fn add(&mut self, rule: u64, effect: f64) {
        if self.places.contains_key(&rule) {
            return;
        }
        self.places.insert(rule, self.mean.len());
        self.mean.push(effect);
        self.tallies.push(Tally::default());
        self.spread.add(PRIOR_SD * PRIOR_SD);
        if self.places.len() > MOST_EXACT {
            self.spread.reduce();
        }
    }

    /// What is believed of this rule.
    #[must_use]
    pub fn belief(&self, rule: u64) -> Option<Belief> {
        let place = *self.places.get(&rule)?;
        Some(Belief {
            effect: self.mean[place],
            sd: self.spread.variance(place).max(0.0).sqrt(),
            tally: self.tallies[place],
        })
    }

    /// The usual success of the domain without rules.
    #[must_use]
    pub fn usual(&self) -> f64 {
        self.mean[USUAL]
    }

    /// Its rules.
    pub fn rules(&self) -> impl Iterator<Item = u64> {
        self.places.keys().copied()
    }

    /// Those of the highest means, in no order.
    pub(super) fn most_helpful(&self, most: usize) -> Vec<u64> {
        let mean = |place: &usize| self.mean.get(*place).copied().unwrap_or_default();
        let mut all: Vec<(u64, usize)> = self.places.iter().map(|(r, p)| (*r, *p)).collect();
        if all.len() > most {
            all.select_nth_unstable_by(most, |(a, x), (b, y)| {
                mean(y).total_cmp(&mean(x)).then(a.cmp(b))
            });
        }
        all.iter().take(most).map(|(rule, _)| *rule).collect()
    }

    pub(super) fn place(&self, rule: u64) -> Option<usize> {
        self.places.get(&rule).copied()
    }

    pub(super) fn tally(&mut self, rule: u64) -> Option<&mut Tally> {
        let place = self.places.get(&rule)?;
        self.tallies.get_mut(*place)
    }

    /// What the means at these places add up to.
    pub(super) fn sum(&self, places: &[usize]) -> f64 {
        places.iter().map(|p| self.mean[*p]).sum()
    }

    /// How the sum over these places varies with each place.
    pub(super) fn gain(&self, places: &[usize]) -> Vec<f64> {
        match &self.spread {
            Spread::Full(rows) => rows
                .iter()
                .map(|row| places.iter().map(|p| row[*p]).sum())
                .collect(),
            Spread::Diagonal(all) => {
                let mut gain = vec![0.0; all.len()];
                for place in places {
                    gain[*place] = all[*place];
                }
                gain
            }
        }
    }

    /// Moves the means towards what was seen, and narrows the spread: one step of the filter.
    /// `surprise` is what was seen less what was expected, `scatter` the variance of that.
    pub(super) fn learn(&mut self, gain: &[f64], surprise: f64, scatter: f64) {
        for (mean, gain) in self.mean.iter_mut().zip(gain) {
            *mean += gain * surprise / scatter;
        }
        match &mut self.spread {
            Spread::Full(rows) => {
                for (row, own) in rows.iter_mut().zip(gain) {
                    for (cell, other) in row.iter_mut().zip(gain) {
                        *cell -= own * other / scatter;
                    }
                }
            }
            Spread::Diagonal(all) => {
                for (variance, gain) in all.iter_mut().zip(gain) {
                    *variance -= gain * gain / scatter;
                }
            }
        }
    }

    /// Lets some of what is known become old. Never less than nothing is known.
    pub(super) fn fade(&mut self, drift: f64) {
        for place in 0..self.mean.len() {
            let most = if place == USUAL {
                BASE.1
            } else {
                PRIOR_SD * PRIOR_SD
            };
            self.spread.widen(place, drift, most);
        }
    }
}

impl Spread {
    fn add(&mut self, variance: f64) {
        match self {
            Self::Full(rows) => {
                let size = rows.len();
                for row in rows.iter_mut() {
                    row.push(0.0);
                }
                let mut row = vec![0.0; size];
                row.push(variance);
                rows.push(row);
            }
            Self::Diagonal(all) => all.push(variance),
        }
    }

    /// Forgets what is known of pairs.
    fn reduce(&mut self) {
        if let Self::Full(rows) = self {
            let own = rows.iter().enumerate().map(|(place, row)| row[place]);
            *self = Self::Diagonal(own.collect());
        }
    }

    fn variance(&self, place: usize) -> f64 {
        match self {
            Self::Full(rows) => rows[place][place],
            Self::Diagonal(all) => all[place],
        }
    }

    fn widen(&mut self, place: usize, drift: f64, most: f64) {
        let variance = match self {
            Self::Full(rows) => &mut rows[place][place],
            Self::Diagonal(all) => &mut all[place],
        };
        *variance = (*variance + drift).min(most.max(*variance));
    }
}
