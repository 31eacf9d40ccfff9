//! How answers are shown: tables for people, JSON, YAML or names for scripts.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// What `-o` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// Ids only, one a line
    Name,
}

/// Writes to standard output. A reader that has gone away, such as `head`, ends the program quietly.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// One row of cells from one record.
pub type Row = fn(&Value) -> Vec<String>;

/// Shows records as asked; a table when nothing was asked.
///
/// # Errors
/// A record cannot be written as YAML.
pub fn show(
    records: &[Value],
    output: Option<Output>,
    id: &str,
    table: (&[&str], Row),
) -> Result<()> {
    match output {
        Some(Output::Json) => out(&serde_json::to_string_pretty(records)?),
        Some(Output::Yaml) => out(serde_saphyr::to_string(&records)?.trim_end()),
        Some(Output::Name) => records.iter().for_each(|r| out(&text(&r[id]))),
        None => print_table(table.0, records.iter().map(table.1)),
    }
    Ok(())
}

/// Shows one document as asked; YAML reads best for people.
///
/// # Errors
/// It cannot be written as YAML.
pub fn document(value: &Value, output: Option<Output>) -> Result<()> {
    match output {
        Some(Output::Json) => out(&serde_json::to_string_pretty(value)?),
        Some(Output::Name) => {
            let ids = ["job_id", "rule_id", "id"].map(|name| &value[name]);
            let id = ids.into_iter().find(|id| !id.is_null());
            out(&id.map(text).unwrap_or_default());
        }
        Some(Output::Yaml) | None => out(serde_saphyr::to_string(value)?.trim_end()),
    }
    Ok(())
}

fn print_table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    rows.for_each(|row| {
        table.add_row(row);
    });
    out(&table.trim_fmt());
}

/// A JSON value as a cell: texts without quotes, nothing for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => safe(text),
        other => other.to_string(),
    }
}

/// A text without what could move the cursor or change colours.
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// How long ago the old API's time was, such as `5m`.
pub fn age(value: &Value) -> String {
    let Some(at) = value.as_str().and_then(moment) else {
        return String::new();
    };
    let seconds = Timestamp::now().duration_since(at).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let naive: DateTime = text.parse().ok()?;
    Some(naive.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
