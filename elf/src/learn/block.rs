//! What is believed of one domain: its usual success and the effect of each of its rules, as a joint
//! normal. Up to [`MOST_EXACT`] rules with their whole covariance, beyond that with variances only,
//! and then a step costs by the rules that took part and not by those that are there. Decides nothing.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{BASE, MOST_EXACT, PRIOR_SD};

/// The place of the domain's usual success.
pub(super) const USUAL: usize = 0;

/// The joint belief about one domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The rule at each place.
    rules: Vec<u64>,
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
    Diagonal(Diagonal),
}

/// Variances, and what follows from each belief by itself.
#[derive(Clone, Debug, PartialEq)]
struct Diagonal {
    all: Vec<Faded>,
    /// How often the domain faded.
    fades: u64,
    /// Rules by their means, the highest first and the oldest first of equals.
    ranking: BTreeSet<(Reverse<u64>, u64)>,
    /// Places of which something was learned since they were judged.
    moved: BTreeSet<usize>,
    /// Places of golden rules.
    golden: BTreeSet<usize>,
}

/// A variance as it was when it was last learned of: what fades is made up for when it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Faded {
    variance: f64,
    /// How often the domain had faded by then.
    since: u64,
}

/// How what was seen moves the beliefs.
pub(super) struct Gain {
    of: Gains,
    /// What the places add to the variance of what is seen.
    pub scatter: f64,
}

enum Gains {
    /// Of every place.
    All(Vec<f64>),
    /// Of these places.
    Some(Vec<(usize, f64)>),
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
            rules: vec![0],
            mean: vec![BASE.0],
            spread: Spread::Full(vec![vec![BASE.1]]),
            tallies: vec![Tally::default()],
        }
    }
}

impl Block {
    /// Takes up a rule that is new; gives its place.
    pub fn add(&mut self, rule: u64, effect: f64) -> usize {
        let place = self.rules.len();
        self.rules.push(rule);
        self.mean.push(effect);
        self.tallies.push(Tally::default());
        self.spread.add(PRIOR_SD * PRIOR_SD, rank(effect, rule));
        if place > MOST_EXACT {
            self.reduce();
        }
        place
    }

    /// What is believed of the rule at this place.
    #[must_use]
    pub fn belief(&self, place: usize) -> Option<Belief> {
        Some(Belief {
            effect: *self.mean.get(place)?,
            sd: self.spread.variance(place).max(0.0).sqrt(),
            tally: *self.tallies.get(place)?,
        })
    }

    /// The usual success of the domain without rules.
    #[must_use]
    pub fn usual(&self) -> f64 {
        self.mean[USUAL]
    }

    /// The rules of the highest means, the oldest first of equals.
    pub(super) fn most_helpful(&self, most: usize) -> Vec<u64> {
        let ranked = |ranked: &(Reverse<u64>, u64)| ranked.1;
        if let Spread::Diagonal(own) = &self.spread {
            return own.ranking.iter().take(most).map(ranked).collect();
        }
        let mut all: Vec<_> = self.ranked().collect();
        all.sort_unstable();
        all.iter().take(most).map(ranked).collect()
    }

    fn ranked(&self) -> impl Iterator<Item = (Reverse<u64>, u64)> {
        let rules = self.rules.iter().zip(&self.mean).skip(1);
        rules.map(|(rule, mean)| rank(*mean, *rule))
    }

    /// Counts that the rule at this place stood in a prompt, or was kept out of it.
    pub(super) fn count(&mut self, place: usize, was_given: bool) {
        if let Some(tally) = self.tallies.get_mut(place) {
            tally.injected += u64::from(was_given);
            tally.withheld += u64::from(!was_given);
        }
        if let Spread::Diagonal(own) = &mut self.spread {
            own.moved.insert(place);
        }
    }

    /// What the means at these places add up to.
    pub(super) fn sum(&self, places: &[usize]) -> f64 {
        places.iter().map(|p| self.mean[*p]).sum()
    }

    /// How the sum over these places varies with each place.
    pub(super) fn gain(&self, places: &[usize]) -> Gain {
        match &self.spread {
            Spread::Full(rows) => {
                let own = |row: &Vec<f64>| places.iter().map(|p| row[*p]).sum();
                let all: Vec<f64> = rows.iter().map(own).collect();
                let scatter = places.iter().map(|p| all[*p]).sum();
                let of = Gains::All(all);
                Gain { of, scatter }
            }
            Spread::Diagonal(own) => {
                let some = places.iter().map(|p| (*p, own.variance(*p)));
                let some: Vec<(usize, f64)> = some.collect();
                let scatter = some.iter().map(|(_, gain)| gain).sum();
                let of = Gains::Some(some);
                Gain { of, scatter }
            }
        }
    }

    /// Moves the means towards what was seen, and narrows the spread: one step of the filter.
    /// `surprise` is what was seen less what was expected, `scatter` the variance of that.
    pub(super) fn learn(&mut self, gain: &Gain, surprise: f64, scatter: f64) {
        match (&gain.of, &mut self.spread) {
            (Gains::All(gain), Spread::Full(rows)) => {
                for (mean, gain) in self.mean.iter_mut().zip(gain) {
                    *mean += gain * surprise / scatter;
                }
                for (row, own) in rows.iter_mut().zip(gain) {
                    for (cell, other) in row.iter_mut().zip(gain) {
                        *cell -= own * other / scatter;
                    }
                }
            }
            (Gains::Some(gain), Spread::Diagonal(own)) => {
                for (place, gain) in gain {
                    let before = self.mean[*place];
                    self.mean[*place] += gain * surprise / scatter;
                    own.narrow(*place, gain * gain / scatter);
                    if *place != USUAL {
                        let rule = self.rules[*place];
                        own.ranking.remove(&rank(before, rule));
                        own.ranking.insert(rank(self.mean[*place], rule));
                    }
                }
            }
            // The spread stays what it was when the gain was made of it.
            (Gains::All(_), Spread::Diagonal(_)) | (Gains::Some(_), Spread::Full(_)) => {}
        }
    }

    /// Lets some of what is known become old. Never less than nothing is known.
    pub(super) fn fade(&mut self, drift: f64) {
        match &mut self.spread {
            Spread::Full(rows) => {
                for (place, row) in rows.iter_mut().enumerate() {
                    row[place] = faded(row[place], drift, place);
                }
            }
            Spread::Diagonal(own) => own.fades += 1,
        }
    }

    /// Judges anew which rules are golden. One of which nothing was learned can only have lost it.
    pub(super) fn judge(&mut self, is_golden: fn(Belief) -> bool) {
        let places: Vec<usize> = match &mut self.spread {
            Spread::Full(_) => (1..self.rules.len()).collect(),
            Spread::Diagonal(own) => {
                let mut moved = std::mem::take(&mut own.moved);
                moved.remove(&USUAL);
                moved.extend(&own.golden);
                moved.into_iter().collect()
            }
        };
        for place in places {
            let golden = self.belief(place).is_some_and(is_golden);
            self.tallies[place].golden = golden;
            if let Spread::Diagonal(own) = &mut self.spread {
                if golden {
                    own.golden.insert(place);
                } else {
                    own.golden.remove(&place);
                }
            }
        }
    }

    /// Forgets what is known of pairs.
    fn reduce(&mut self) {
        let Spread::Full(rows) = &self.spread else {
            return;
        };
        let own = rows.iter().enumerate().map(|(place, row)| Faded {
            variance: row[place],
            since: 0,
        });
        let golden = (1..self.rules.len()).filter(|place| self.tallies[*place].golden);
        self.spread = Spread::Diagonal(Diagonal {
            all: own.collect(),
            fades: 0,
            ranking: self.ranked().collect(),
            moved: (1..self.rules.len()).collect(),
            golden: golden.collect(),
        });
    }
}

impl Spread {
    fn add(&mut self, variance: f64, rank: (Reverse<u64>, u64)) {
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
            Self::Diagonal(own) => {
                own.all.push(Faded {
                    variance,
                    since: own.fades,
                });
                own.ranking.insert(rank);
            }
        }
    }

    fn variance(&self, place: usize) -> f64 {
        match self {
            Self::Full(rows) => rows[place][place],
            Self::Diagonal(own) => own.variance(place),
        }
    }
}

impl Diagonal {
    fn variance(&self, place: usize) -> f64 {
        let own = self.all[place];
        #[expect(clippy::cast_precision_loss, reason = "outcomes stay far below 2^53")]
        let fades = (self.fades - own.since) as f64;
        faded(own.variance, fades * super::drift(), place)
    }

    fn narrow(&mut self, place: usize, by: f64) {
        self.all[place] = Faded {
            variance: self.variance(place) - by,
            since: self.fades,
        };
        self.moved.insert(place);
    }
}

/// A variance after so much drift. It does not grow beyond what it was before there was evidence.
fn faded(variance: f64, drift: f64, place: usize) -> f64 {
    let most = if place == USUAL {
        BASE.1
    } else {
        PRIOR_SD * PRIOR_SD
    };
    (variance + drift).min(most.max(variance))
}

/// Where a rule stands among those of its domain. The bits of a number in the order of numbers.
fn rank(mean: f64, rule: u64) -> (Reverse<u64>, u64) {
    let bits = mean.to_bits();
    let ordered = if mean.is_sign_negative() {
        !bits
    } else {
        bits | 1 << 63
    };
    (Reverse(ordered), rule)
}
