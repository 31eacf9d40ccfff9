//! Who else has this table: each site raises a number now and then. A site of which the number stands still is away;
//! clocks of different machines are never compared.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use sandbox_core::port::{Answer, PortError};
use sandbox_elf::store::dynamodb::{
    keys::{Key, PK, number, read_number},
    table::Table,
};

use super::{
    DynamoStore,
    calls::{self, Range, Update, Written, query_all},
    keys::{self, GONE, SITES},
};

/// How often a site says that it is there.
pub const EVERY: Duration = Duration::from_secs(5);
/// How long it counts as heard of after that.
const HEARD: Duration = Duration::from_secs(20);

/// What is known of the sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those of which nothing is heard.
    pub away: BTreeSet<String>,
    /// Those that a person has called gone for good.
    pub gone: BTreeSet<String>,
}

/// What one site has heard of the others.
pub struct Sites {
    /// Counted apart: what a site says costs the same whether there are jobs or not.
    table: Table,
    heard: HashMap<String, (u64, Instant)>,
}

impl Sites {
    /// Nothing is heard yet.
    #[must_use]
    pub fn new(store: &DynamoStore) -> Self {
        let (client, name) = (store.table.client.clone(), store.table.name.clone());
        Self {
            table: Table::new(client, name, "jobs"),
            heard: HashMap::new(),
        }
    }

    /// Says that this site is there, and hears of the others.
    ///
    /// # Errors
    /// The table cannot be asked.
    pub async fn hear(&mut self, own: &str) -> Answer<Heard> {
        self.say(own).await?;
        let range = Range {
            part: (PK, SITES.to_owned()),
            ..Range::default()
        };
        let mut told = Heard::default();
        for item in query_all(&self.table, &range).await? {
            let Some(Key { sk: site, .. }) = Key::of(&item) else {
                continue;
            };
            let beats = read_number(&item, "n").unwrap_or_default();
            if item.contains_key(GONE) {
                told.gone.insert(site);
            } else if self.is_away(&site, beats) {
                told.away.insert(site);
            }
        }
        Ok(told)
    }

    async fn say(&self, own: &str) -> Answer<()> {
        let asked = Update {
            key: keys::site(own),
            change: "ADD #u :one".to_owned(),
            condition: "attribute_not_exists(g)".to_owned(),
            name: "n",
            values: vec![(":one", number(1))],
        };
        match calls::update(&self.table, &asked).await? {
            Written::Done | Written::Stands(Some(_)) => Ok(()),
            Written::Stands(None) => Err(PortError::Unknown(
                "said that this site is there: it was removed meanwhile; ask again".to_owned(),
            )),
        }
    }

    /// Whether this number has stood still for too long.
    fn is_away(&mut self, site: &str, beats: u64) -> bool {
        let now = Instant::now();
        match self.heard.get(site) {
            Some((before, at)) if *before == beats => now.duration_since(*at) > HEARD,
            _ => {
                self.heard.insert(site.to_owned(), (beats, now));
                false
            }
        }
    }
}
