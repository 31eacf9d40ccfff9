//! `sandbox statusline <seat folder> <agent>`: the program tells by it what the session has used. It
//! keeps the newest and says one short line for the screen.

use std::{
    ffi::OsString,
    io::{self, Read},
    process::ExitCode,
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    desk::{Desk, replace},
    desk_of,
};

/// The most that is read.
const STATUS: u64 = 256 << 10;

/// What a session has used, as far as we use it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Money.
    pub cost: Cost,
    /// The model's memory.
    pub context_window: Context,
}

/// What it cost.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// In US dollars, by the program's own table.
    pub total_cost_usd: f64,
}

/// How full the model's memory is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Context {
    /// What is left, in percent; unknown before the first answer.
    pub remaining_percentage: Option<f64>,
}

/// Takes one status.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(desk) = desk_of(words) else {
        return ExitCode::SUCCESS;
    };
    // A status that is lost is followed by another.
    if let Ok(status) = take(&desk, io::stdin().lock()) {
        println!("{}", said(&desk, &status));
    }
    ExitCode::SUCCESS
}

fn take(desk: &Desk, input: impl Read) -> io::Result<Status> {
    let mut bytes = Vec::new();
    input.take(STATUS).read_to_end(&mut bytes)?;
    let status = read(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    replace(&desk.status(), &bytes)?;
    Ok(status)
}

/// Reads a status; fields of an unexpected kind count as not told.
pub fn read(bytes: &[u8]) -> Option<Status> {
    let value: Value = serde_json::from_slice(bytes)
        .ok()
        .filter(Value::is_object)?;
    Some(Status {
        cost: serde_json::from_value(value["cost"].clone()).unwrap_or_default(),
        context_window: serde_json::from_value(value["context_window"].clone()).unwrap_or_default(),
    })
}

fn said(desk: &Desk, status: &Status) -> String {
    let left = status.context_window.remaining_percentage;
    let left = left.map_or(String::new(), |p| format!(" · {p:.0}% context left"));
    format!("{} · ${:.2}{left}", desk.name(), status.cost.total_cost_usd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_status_is_kept_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path(), 2);
        desk.make().unwrap();
        for usd in [0.1, 0.25] {
            let status = json!({"cost": {"total_cost_usd": usd}, "context_window": {"remaining_percentage": 61}});
            let status = take(&desk, status.to_string().as_bytes()).unwrap();
            assert!(said(&desk, &status).starts_with("agent-2 · $0."));
        }
        let kept = read(&std::fs::read(desk.status()).unwrap()).unwrap();
        assert_eq!(kept.cost.total_cost_usd.to_string(), "0.25");
    }

    #[test]
    fn what_is_no_status_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(folder.path(), 1);
        desk.make().unwrap();
        assert!(take(&desk, b"{".as_slice()).is_err());
        assert!(!desk.status().exists());
        let odd = read(br#"{"cost": "much", "context_window": {"remaining_percentage": null}}"#);
        assert_eq!(odd, Some(Status::default()));
    }
}
