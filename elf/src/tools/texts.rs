//! What can be read by its address: `elf://golden`, `elf://domain/{domain}`, `elf://rule/{id}`,
//! `elf://trail/{path}`, with what an address cannot hold as `%20` and the like. Each is JSON.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Asker, Told, done};
use crate::{
    Elf, ElfError,
    face::{HeuristicQuery, TrailQuery},
    text,
};

/// Most rules or trails of one text.
const ROWS: u32 = 50;
/// Longest address, in characters, each of which may be written as three.
const ADDRESS: std::ops::RangeInclusive<usize> = 1..=3 * text::MAX_PATH;

pub(super) async fn read(elf: &Elf, asker: &Asker, uri: &str) -> Told {
    let unknown = || ElfError::not_found("resource", uri);
    let place = decoded(uri)?;
    let place = place.strip_prefix("elf://").ok_or_else(unknown)?;
    let tenant = &asker.tenant;
    if place == "golden" {
        let mut rules = elf.golden_rules(tenant, None).await?;
        rules.truncate(ROWS as usize);
        return done(String::new(), &rules);
    }
    match place.split_once('/') {
        Some(("domain", domain)) => {
            let domain = text::domain(domain).ok_or_else(unknown)?;
            let query = HeuristicQuery {
                domain: Some(domain),
                limit: ROWS,
                ..HeuristicQuery::default()
            };
            there_are(&elf.heuristics(tenant, query).await?).ok_or_else(unknown)?
        }
        Some(("rule", id)) => {
            let rule = elf.heuristic(tenant, id).await?;
            // Agents are told nothing of a rule that a person has not looked at.
            let held = rule.status.awaits_a_person();
            done(String::new(), (!held).then_some(&rule).ok_or_else(unknown)?)
        }
        Some(("trail", path)) if !path.is_empty() => {
            let query = TrailQuery {
                path: Some(path.to_owned()),
                ..TrailQuery::default()
            };
            let mut trails = elf.trails(tenant, query).await?;
            trails.truncate(ROWS as usize);
            there_are(&trails).ok_or_else(unknown)?
        }
        _ => Err(unknown()),
    }
}

/// The address as it is meant.
fn decoded(uri: &str) -> Result<String, ElfError> {
    text::line("uri", uri, ADDRESS)?;
    let meant = percent_decode_str(uri).decode_utf8();
    let meant = meant.map_err(|_| ElfError::invalid("uri", "it is no UTF-8"))?;
    text::line("uri", &meant, ADDRESS)
}

/// Of what nobody has said anything there is no text.
fn there_are<T: Serialize>(rows: &[T]) -> Option<Told> {
    (!rows.is_empty()).then(|| done(String::new(), &rows))
}
