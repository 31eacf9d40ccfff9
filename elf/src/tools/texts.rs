//! What can be read by its address: `elf://golden`, `elf://domain/{domain}`, `elf://rule/{id}`,
//! `elf://trail/{path}`. Each is JSON.

use super::{Asker, Told, done};
use crate::{Elf, ElfError, face::HeuristicQuery, text};

/// Most rules or trails of one text.
const ROWS: u32 = 50;

pub(super) async fn read(elf: &Elf, asker: &Asker, uri: &str) -> Told {
    let unknown = || ElfError::not_found("resource", uri);
    let place = uri.strip_prefix("elf://").ok_or_else(unknown)?;
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
            done(String::new(), &elf.heuristics(tenant, query).await?)
        }
        Some(("rule", id)) => done(String::new(), &elf.heuristic(tenant, id).await?),
        Some(("trail", path)) if !path.is_empty() => {
            let mut trails = elf.trails(tenant, Some(path.to_owned())).await?;
            trails.truncate(ROWS as usize);
            done(String::new(), &trails)
        }
        _ => Err(unknown()),
    }
}
