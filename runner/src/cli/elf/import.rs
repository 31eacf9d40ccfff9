//! `sandbox elf import FILE`: what another memory exported is taken over, in pieces. One that broke off is taken up
//! where it stands.

use std::{
    fs::File,
    io::{BufRead, BufReader, stdin},
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::{
    api::Api,
    shown::{Output, document, out},
};

/// Most lines of a piece, and most bytes: half of what the server takes.
const LINES: usize = 1_000;
const BYTES: usize = 512 * 1024;

/// What came of all pieces.
#[derive(Default)]
struct Sum {
    taken: u64,
    known: u64,
    position: u64,
}

pub(super) async fn import(api: &Api, file: &Path, output: Option<Output>) -> Result<()> {
    let named = file.display();
    let lines: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(
            File::open(file).with_context(|| format!("opened {named}"))?,
        ))
    };
    let (mut sum, mut piece, mut bytes) = (Sum::default(), Vec::new(), 0);
    for (number, line) in (1_u64..).zip(lines.lines()) {
        let line = line.with_context(|| format!("read {named}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let entry: Value = serde_json::from_str(&line)
            .with_context(|| format!("read line {number} of {named}: it is no JSON"))?;
        if piece.len() == LINES || bytes + line.len() > BYTES {
            sum.send(api, std::mem::take(&mut piece)).await?;
            bytes = 0;
        }
        bytes += line.len();
        piece.push(entry);
    }
    if !piece.is_empty() {
        sum.send(api, piece).await?;
    }
    let Sum {
        taken,
        known,
        position,
    } = sum;
    match output {
        None => out(&format!(
            "{taken} entries taken over, {known} known before; the log has {position}"
        )),
        some => document(
            &json!({"taken": taken, "known": known, "position": position}),
            some,
        )?,
    }
    Ok(())
}

impl Sum {
    async fn send(&mut self, api: &Api, entries: Vec<Value>) -> Result<()> {
        let said = api
            .post_in_turn("/elf/import", &json!({"entries": entries}))
            .await;
        let so_far = || format!("{} entries were taken over before", self.taken);
        let said = said.with_context(so_far)?;
        self.taken += said["taken"].as_u64().unwrap_or_default();
        self.known += said["known"].as_u64().unwrap_or_default();
        self.position = said["position"].as_u64().unwrap_or_default();
        Ok(())
    }
}
