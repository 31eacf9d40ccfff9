//! State as items and back: what a ledger keeps beside the log, so that a node begins without
//! reading the whole log. Pure.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use sandbox_core::Seat;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    entry::{Entry, Row},
    fold::{self, Touched},
    plan::Plan,
    rule::Rule,
    rules::Rules,
    state::{Job, State},
    store::{Item, Kept, Kind, LedgerError, Put},
    trail::{Heat, TrailKey},
};

/// From this many items on, several threads read them.
const MANY: usize = 1_000;

/// A trail as an item.
#[derive(Serialize, Deserialize)]
struct TrailBody {
    #[serde(flatten)]
    key: TrailKey,
    #[serde(flatten)]
    heat: Heat,
}

/// Puts entries into the state, and says how the items change with them.
///
/// # Errors
/// Something cannot be written as JSON; nothing that the fold makes is so.
pub fn apply(state: &mut State, rows: &[Row]) -> Kept<Vec<Put>> {
    let mut touched = BTreeSet::new();
    let mut puts = Vec::new();
    for row in rows {
        touched.extend(fold::apply(state, row));
        puts.extend(own(row)?);
    }
    for thing in &touched {
        puts.push(put(state, thing)?);
    }
    Ok(puts)
}

/// The id of an item that belongs to a seat.
#[must_use]
pub fn seat_id(seat: &Seat) -> String {
    seat.to_string()
}

/// The item that an entry is by itself.
fn own(row: &Row) -> Kept<Option<Put>> {
    let seq = row.seq;
    let (kind, id, body) = match &row.entry {
        Entry::Receipt { seat, receipt } => (Kind::Receipt, seat_id(seat), json(receipt)?),
        Entry::Outcome(ended) => (Kind::Outcome, seat_id(&ended.seat), json(ended)?),
        Entry::Reviewed(reviewed) => (Kind::Postmortem, seq.to_string(), json(reviewed)?),
        _ => return Ok(None),
    };
    Ok(Some(Put::Stands(Item {
        kind,
        id,
        seq,
        body,
    })))
}

fn put(state: &State, thing: &Touched) -> Kept<Put> {
    let (kind, id, body) = match thing {
        Touched::Rule(id) => (Kind::Rule, id.clone(), state.rules.get(id).map(json)),
        Touched::Job(uid) => (Kind::Job, uid.to_string(), state.jobs.get(uid).map(json)),
        Touched::Trail(key) => (Kind::Trail, json(key)?, trail(state, key)),
        Touched::Plan(number) => {
            let plan = state.plans.get(number).map(json);
            (Kind::Plan, number.to_string(), plan)
        }
    };
    Ok(match body.transpose()? {
        Some(body) => Put::Stands(Item {
            kind,
            id,
            seq: state.head,
            body,
        }),
        None => Put::Gone(kind, id),
    })
}

fn trail(state: &State, key: &TrailKey) -> Option<Kept<String>> {
    let heat = *state.trails.get(key)?;
    Some(json(&TrailBody {
        key: key.clone(),
        heat,
    }))
}

/// The state that a picture shows.
///
/// # Errors
/// An item cannot be read, or is not of this log; the log still can be.
pub fn read(head: u64, items: Vec<Item>) -> Kept<State> {
    let pieces = Pieces::default();
    pieces.take(items);
    let mut state = pieces.taken().state(head)?;
    state.relearn();
    Ok(state)
}

/// A picture that comes in pieces.
#[derive(Default)]
pub struct Pieces(Mutex<Taken>);

/// What came of it.
#[derive(Default)]
pub struct Taken {
    /// Each at the place of its number, for which the items come in another order. They are most of what is held.
    rules: Vec<Option<Rule>>,
    /// Items of other kinds.
    pub others: Vec<Item>,
    /// The place of the item that was changed last, and which it is.
    newest: (u64, String),
    failed: Option<LedgerError>,
}

impl Pieces {
    /// Takes up a piece. Threads that do so at once hinder each other little.
    pub fn take(&self, items: Vec<Item>) {
        let newest = items.iter().max_by_key(|item| item.seq);
        let newest = newest.map(|i| (i.seq, format!("{} {}", i.kind.word(), i.id)));
        let (rules, others): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.kind == Kind::Rule);
        let rules = all(rules);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.newest = newest
            .unwrap_or_default()
            .max(std::mem::take(&mut taken.newest));
        taken.others.extend(others);
        let put = rules.and_then(|rules| rules.into_iter().try_for_each(|rule| taken.put(rule)));
        if let Err(e) = put {
            taken.failed = Some(e);
        }
    }

    /// All that was taken up.
    pub fn taken(&self) -> Taken {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *taken)
    }
}

impl Taken {
    fn put(&mut self, rule: Rule) -> Kept<()> {
        let place = rule.number.checked_sub(1).map(usize::try_from);
        let place = place.and_then(Result::ok).ok_or_else(misnumbered)?;
        if place >= self.rules.len() {
            let more = place + 1 - self.rules.len();
            self.rules.try_reserve(more).map_err(|_| misnumbered())?;
            self.rules.resize_with(place + 1, || None);
        }
        let slot = self.rules.get_mut(place).filter(|slot| slot.is_none());
        *slot.ok_or_else(misnumbered)? = Some(rule);
        Ok(())
    }

    /// The state at this place, of which nothing is counted or learned yet.
    ///
    /// # Errors
    /// An item cannot be read, or is not of this log; the log still can be.
    pub fn state(self, head: u64) -> Kept<State> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let (place, item) = &self.newest;
        if *place > head {
            return Err(LedgerError::Unreadable(format!(
                "read memory's {item}: entry {place} changed it, and the log ends at {head}"
            )));
        }
        let mut state = State {
            head,
            rules: all_there(self.rules)?,
            ..State::default()
        };
        for item in &self.others {
            match item.kind {
                Kind::Job => drop(state.jobs.insert(uid(item)?, parse::<Job>(item)?)),
                Kind::Trail => {
                    let body: TrailBody = parse(item)?;
                    state.trails.insert(body.key, body.heat);
                }
                Kind::Plan => plan(&mut state, parse(item)?),
                Kind::Rule | Kind::Receipt | Kind::Outcome | Kind::Postmortem | Kind::Secret => {}
            }
        }
        Ok(state)
    }
}

/// Rules of which none is missing.
fn all_there(rules: Vec<Option<Rule>>) -> Kept<Rules> {
    let all: Option<Vec<Rule>> = rules.into_iter().collect();
    all.and_then(Rules::of).ok_or_else(misnumbered)
}

fn misnumbered() -> LedgerError {
    LedgerError::Unreadable(
        "read memory's rules: a number is missing, wrong or twice there".to_owned(),
    )
}

/// The rules of items, read side by side where they are many. What is read is given back at once, for
/// all of it takes as much room as what is made of it.
fn all(mut items: Vec<Item>) -> Kept<Vec<Rule>> {
    let one = |item: &mut Item| {
        let read = numbered(item);
        item.body = String::new();
        read
    };
    let read = |items: &mut [Item]| items.iter_mut().map(one).collect::<Kept<Vec<Rule>>>();
    if items.len() < MANY {
        return read(&mut items);
    }
    let count = items.len();
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let parts = items.chunks_mut(count.div_ceil(hands));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let mut all = Vec::with_capacity(count);
        for part in parts {
            let ended = |_| LedgerError::Unavailable("read memory: a thread ended".to_owned());
            all.append(&mut part.join().map_err(ended)??);
        }
        Ok(all)
    })
}

/// A rule. The log is no shorter than there are rules: room is made by the number.
fn numbered(item: &Item) -> Kept<Rule> {
    let rule: Rule = parse(item)?;
    let fits = (1..=item.seq).contains(&rule.number);
    fits.then_some(rule).ok_or_else(misnumbered)
}

fn plan(state: &mut State, plan: Plan) {
    state.plans.insert(plan.number, plan);
}

fn uid(item: &Item) -> Kept<sandbox_core::Uid> {
    item.id.parse().map_err(|e| unreadable(item, &e))
}

/// Reads an item's body.
///
/// # Errors
/// `Unreadable` when it is not what its kind says.
pub fn parse<T: DeserializeOwned>(item: &Item) -> Kept<T> {
    serde_json::from_str(&item.body).map_err(|e| unreadable(item, &e))
}

fn unreadable(item: &Item, e: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Unreadable(format!(
        "read memory's {} {}: {e}",
        item.kind.word(),
        item.id
    ))
}

fn json<T: Serialize + ?Sized>(value: &T) -> Kept<String> {
    serde_json::to_string(value)
        .map_err(|e| LedgerError::Unreadable(format!("wrote memory as JSON: {e}")))
}
