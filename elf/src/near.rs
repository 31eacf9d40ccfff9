//! Rules that are about to be added and say nearly what another says: they become evidence of that one,
//! whose text stays. Decides from what is known; what it decided stands in the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ElfError,
    entry::{Entry, RuleAdded},
    kind::RuleKind,
    likeness::{Shingles, Stance, figures},
    recall::Known,
    rule::{Rule, RuleStatus},
};

/// From this overlap of three-word runs on, two rules are one.
const SAME: f64 = 0.8;
/// From this one on, they are said to be similar.
const SIMILAR: f64 = 0.5;
/// Most rules that one is said to be similar to.
const MOST: usize = 5;

/// Which rules other rules became evidence of, by their ids.
pub type Aliases = BTreeMap<String, String>;

/// A text with its runs of three words.
struct Said {
    text: String,
    shingles: Shingles,
}

impl Said {
    fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            shingles: Shingles::of(text),
        }
    }

    /// How alike two texts are. What says the opposite, or other figures, is similar at most.
    fn alike(&self, other: &Said) -> f64 {
        let how = self.shingles.overlap(&other.shingles);
        let differ = || {
            figures(&self.text) != figures(&other.text)
                || Stance::of(&self.text).contradicts(&Stance::of(&other.text))
        };
        if how >= SAME && differ() {
            SIMILAR
        } else {
            how
        }
    }
}

/// Makes evidence of what is nearly known.
pub fn settle(known: Known<'_>, entries: Vec<Entry>) -> (Vec<Entry>, Aliases) {
    let mut aliases = Aliases::new();
    let mut settled: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut new: Vec<(String, (RuleKind, String), Said)> = Vec::new();
    for entry in entries {
        let Entry::RuleAdded(mut added) = entry else {
            settled.push(entry);
            continue;
        };
        let said = Said::of(&added.text);
        let about = (added.kind, added.domain.clone());
        let same =
            |of: &(RuleKind, String), other: &Said| *of == about && said.alike(other) >= SAME;
        let twin = new.iter().find(|(_, of, other)| same(of, other));
        if let Some((twin, ..)) = twin {
            aliases.insert(added.id.clone(), twin.clone());
            continue;
        }
        let near = near(known, &added, &said);
        if let Some((_, twin)) = near.iter().find(|(how, _)| *how >= SAME) {
            aliases.insert(added.id.clone(), twin.id.clone());
            settled.extend(evidence(known, twin, &added));
            continue;
        }
        added.similar = near
            .iter()
            .map(|(_, rule)| rule.id.clone())
            .take(MOST)
            .collect();
        new.push((added.id.clone(), about, said));
        settled.push(Entry::RuleAdded(Box::new(added.judged())));
    }
    for entry in &mut settled {
        rename(entry, &aliases);
    }
    (settled, aliases)
}

/// The same for one rule that somebody teaches: its id, and not silently that of a retired one.
///
/// # Errors
/// `Retired`.
pub fn taught(
    known: Known<'_>,
    (entries, id): (Vec<Entry>, String),
) -> Result<(Vec<Entry>, String), ElfError> {
    let (entries, mut aliases) = settle(known, entries);
    let Some(id) = aliases.remove(&id) else {
        return Ok((entries, id));
    };
    let is_retired = |r: &Rule| r.status == RuleStatus::Retired;
    if known.state.rules.get(&id).is_some_and(is_retired) {
        return Err(ElfError::Retired(id));
    }
    Ok((entries, id))
}

/// Rules of the same domain, for the same work or for all, with how alike they are: most first.
fn near<'a>(known: Known<'a>, added: &RuleAdded, said: &Said) -> Vec<(f64, &'a Rule)> {
    let numbers = known
        .index
        .twins()
        .of(&known.state.rules, &added.domain, &said.shingles);
    let rules = numbers.into_iter().filter_map(|n| known.state.numbered(n));
    let fits = |r: &&Rule| {
        let about = r.kind == added.kind && r.domain == added.domain;
        about && (r.project.is_none() || r.project == added.project)
    };
    let mut near: Vec<(f64, &Rule)> = rules
        .filter(fits)
        .map(|rule| (said.alike(&Said::of(&rule.text)), rule))
        .filter(|(how, _)| *how >= SIMILAR)
        .collect();
    near.sort_by(|(x, a), (y, b)| y.total_cmp(x).then(a.number.cmp(&b.number)));
    near
}

/// A seat says a rule once, and what stood in its prompt is no news.
fn evidence(known: Known<'_>, twin: &Rule, added: &RuleAdded) -> Option<Entry> {
    let seat = added.source.seat.as_ref();
    let heard = seat.is_some_and(|seat| known.state.has_heard(seat, twin));
    (!heard).then(|| Entry::RuleAliased {
        rule: twin.id.clone(),
        source: added.source.clone(),
        files: added.files.clone(),
    })
}

/// An end names the rules that it stated.
fn rename(entry: &mut Entry, aliases: &Aliases) {
    if let Entry::Outcome(ended) = entry {
        let mut seen = BTreeSet::new();
        for id in &mut ended.lessons {
            if let Some(other) = aliases.get(id) {
                id.clone_from(other);
            }
        }
        ended.lessons.retain(|id| seen.insert(id.clone()));
    }
}
