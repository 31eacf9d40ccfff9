//! State as items and back: what a ledger keeps beside the log, so that a node begins without
//! reading the whole log. Pure.

use std::collections::BTreeSet;

use sandbox_core::Seat;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    entry::{Entry, Row},
    fold::{self, Touched},
    plan::Plan,
    rule::Rule,
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
    if let Some(item) = items.iter().find(|item| item.seq > head) {
        return Err(LedgerError::Unreadable(format!(
            "read memory's {} {}: entry {} changed it, and the log ends at {head}",
            item.kind.word(),
            item.id,
            item.seq
        )));
    }
    let mut state = State {
        head,
        ..State::default()
    };
    let (rules, others): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.kind == Kind::Rule);
    take_up(&mut state, all(rules)?)?;
    for item in &others {
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
    state.relearn();
    Ok(state)
}

/// Rules in the order of their numbers, for which the items come in that of their ids.
fn take_up(state: &mut State, rules: Vec<Rule>) -> Kept<()> {
    let wrong = || {
        LedgerError::Unreadable(
            "read memory's rules: a number is missing or twice there".to_owned(),
        )
    };
    let mut places: Vec<Option<Rule>> = Vec::new();
    places.resize_with(rules.len(), || None);
    for rule in rules {
        let place = usize::try_from(rule.number)
            .ok()
            .and_then(|n| n.checked_sub(1));
        let place = place.and_then(|place| places.get_mut(place));
        if place.ok_or_else(wrong)?.replace(rule).is_some() {
            return Err(wrong());
        }
    }
    state.rules.reserve(places.len());
    for rule in places.into_iter().flatten() {
        if !state.rules.add(rule) {
            return Err(wrong());
        }
    }
    Ok(())
}

/// The bodies of items, read side by side where they are many. What is read is given back at once, for
/// all of it takes as much room as what is made of it.
fn all<T: DeserializeOwned + Send + 'static>(mut items: Vec<Item>) -> Kept<Vec<T>> {
    let one = |item: &mut Item| {
        let read = parse(item);
        item.body = String::new();
        read
    };
    let read = |items: &mut [Item]| items.iter_mut().map(one).collect::<Kept<Vec<T>>>();
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
