//! Who else has this store: each site says now and then that it is there.

use std::{collections::BTreeSet, time::Duration};

use redis::Script;
use sandbox_core::port::Answer;
use sandbox_elf::store::redis::link::Link;

use super::port;

/// How often a site says that it is there.
pub const EVERY: Duration = Duration::from_secs(3);
/// How long it counts as heard of after that, in seconds.
const HEARD: u32 = 15;

/// What is known of the sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those of which nothing is heard.
    pub away: BTreeSet<String>,
    /// Those that a person has called gone for good.
    pub gone: BTreeSet<String>,
}

/// Says that this site is there, and hears of the others.
///
/// # Errors
/// The server cannot be reached.
pub async fn hear(link: &Link, own: &str) -> Answer<Heard> {
    let script = Script::new(include_str!("sites.lua"));
    let args = [own.to_owned(), HEARD.to_string()].map(String::into_bytes);
    let told = link.write("said that this site is there", &script, "nodes", &args);
    let (away, gone) = told.await.map_err(port)?;
    Ok(Heard { away, gone })
}
