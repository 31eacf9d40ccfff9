//! The best of what is found, in the order in which it is given.

use super::Hit;

/// At most so many hits, best first, and the lower number first of equals.
pub(super) struct Best {
    most: usize,
    hits: Vec<Hit>,
}

impl Best {
    pub(super) fn of(most: usize) -> Self {
        let hits = Vec::new();
        Self { most, hits }
    }

    /// Whether a hit of this score may be among them.
    pub(super) fn may(&self, score: f64) -> bool {
        match self.hits.last() {
            Some(last) if self.hits.len() == self.most => score >= last.score,
            _ => self.most > 0,
        }
    }

    /// Takes a hit where it belongs.
    pub(super) fn take(&mut self, hit: Hit) {
        let before = |one: &Hit| {
            let order = hit.score.total_cmp(&one.score);
            order.then(one.number.cmp(&hit.number)).is_lt()
        };
        let place = self.hits.partition_point(before);
        self.hits.insert(place, hit);
        self.hits.truncate(self.most);
    }

    pub(super) fn hits(self) -> Vec<Hit> {
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_and_of_equals_the_lower_number_whatever_came_first() {
        let found = [(1.0, 4), (3.0, 9), (1.0, 2), (2.0, 7), (1.0, 3), (3.0, 1)];
        let best = |order: &[usize]| {
            let mut best = Best::of(4);
            for (score, number) in order.iter().map(|place| found[*place]) {
                if best.may(score) {
                    best.take(Hit { number, score });
                }
            }
            best.hits().iter().map(|h| h.number).collect::<Vec<_>>()
        };
        assert_eq!(best(&[0, 1, 2, 3, 4, 5]), [1, 9, 7, 2]);
        assert_eq!(best(&[5, 4, 3, 2, 1, 0]), [1, 9, 7, 2]);
        assert!(!Best::of(0).may(1.0));
    }
}
