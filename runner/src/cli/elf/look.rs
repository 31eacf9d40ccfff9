//! What `sandbox elf` shows besides lists of rules. Changes nothing.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    super::{
        api::Api,
        shown::{Output, document, out, safe, show, text},
    },
    path, rules,
    teach::Kind,
};

/// Which rules are listed.
#[derive(clap::Args)]
pub(super) struct Listed {
    /// Only of this domain
    #[arg(long)]
    domain: Option<String>,
    /// Those for this project and for all
    #[arg(long)]
    project: Option<String>,
    /// Most rows
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Only those that are proven to help
    #[arg(long, conflicts_with_all = ["domain", "quarantined", "proposed", "kind"])]
    golden: bool,
    /// Those that are held back, and why
    #[arg(long, conflicts_with_all = ["proposed", "kind"])]
    quarantined: bool,
    /// Those that wait for a person to accept them
    #[arg(long, conflicts_with = "kind")]
    proposed: bool,
    /// Only of this kind, in the order in which they were first said
    #[arg(long, value_enum)]
    kind: Option<Kind>,
}

impl Listed {
    pub(super) async fn show(self, api: &Api, output: Option<Output>) -> Result<()> {
        let asked = |name, value: &str| {
            let limit = ("limit", Some(self.limit.to_string()));
            let domain = ("domain", self.domain.clone());
            let project = ("project_path", self.project.clone());
            let which = (name, Some(value.to_owned()));
            path("/elf/rules", [domain, project, limit, which])
        };
        if self.quarantined {
            return listed(api, &asked("status", "quarantined")?, "suspect", output).await;
        }
        if self.proposed {
            return listed(api, &asked("status", "proposed")?, "kind", output).await;
        }
        if let Some(kind) = self.kind {
            return listed(api, &asked("kind", kind.word())?, "status", output).await;
        }
        let limit = ("limit", Some(self.limit.to_string()));
        let project = ("project_path", self.project);
        let (table, list) = if self.golden {
            ("/elf/golden-rules", "golden_rules")
        } else {
            ("/elf/heuristics", "heuristics")
        };
        let all = path(table, [("domain", self.domain), project, limit])?;
        rules(api, (&all, list), output).await
    }
}

/// Why a rule is golden or is not: a sentence, and one for each condition.
pub(super) async fn explain(api: &Api, rule: &str, output: Option<Output>) -> Result<()> {
    let said = api.get(&format!("/elf/rules/{rule}/explain")).await?;
    if output.is_some() {
        return document(&said, output);
    }
    out(&text(&said["sentence"]));
    for condition in said["conditions"].as_array().into_iter().flatten() {
        let mark = if condition["holds"] == true {
            "holds"
        } else {
            "lacks"
        };
        out(&format!("  {mark}  {}", text(&condition["sentence"])));
    }
    Ok(())
}

/// What a job would be given, as it would stand in the prompt, and what would be kept back.
pub(super) async fn context(api: &Api, path: &str, output: Option<Output>) -> Result<()> {
    let given = api.get(path).await?;
    if output.is_some() {
        return document(&given, output);
    }
    let block = given["text"].as_str().unwrap_or_default();
    if block.is_empty() {
        out("memory would give nothing");
    }
    for line in block.lines() {
        out(&safe(line));
    }
    let receipt = &given["receipt"];
    let many = |field: &str| receipt[field].as_array().map_or(0, Vec::len);
    out(&format!(
        "{} of {} rules that fit, about {} tokens",
        many("injected"),
        many("eligible"),
        text(&given["tokens"])
    ));
    Ok(())
}

/// Rules with one more column.
async fn listed(api: &Api, path: &str, more: &str, output: Option<Output>) -> Result<()> {
    let found = api.get(path).await?;
    let rows = found["rules"].as_array().cloned().unwrap_or_default();
    let (column, row): (&str, fn(&Value) -> Vec<String>) = match more {
        "suspect" => ("WHY", |r| cells(r, "suspect")),
        "kind" => ("KIND", |r| cells(r, "kind")),
        _ => ("STATUS", |r| cells(r, "status")),
    };
    let head = &["ID", "DOMAIN", column, "RULE"];
    show(&rows, output, "number", (head, row))
}

fn cells(rule: &Value, more: &str) -> Vec<String> {
    let columns = ["number", "domain", more, "text"];
    columns.map(|c| text(&rule[c])).to_vec()
}

/// Where work went lately.
pub(super) async fn trails(api: &Api, path: &str, output: Option<Output>) -> Result<()> {
    let found = api.get(path).await?;
    let rows = found["trails"].as_array().cloned().unwrap_or_default();
    let row = |t: &Value| {
        ["path", "mark", "strength", "touches", "at"]
            .map(|k| text(&t[k]))
            .to_vec()
    };
    let head = &["PATH", "MARK", "STRENGTH", "TOUCHES", "LAST"];
    show(&rows, output, "path", (head, row))
}

/// What is meant to be done.
pub(super) async fn plans(
    api: &Api,
    status: String,
    limit: u32,
    output: Option<Output>,
) -> Result<()> {
    let asked = [("status", Some(status)), ("limit", Some(limit.to_string()))];
    let found = api.get(&path("/elf/plans", asked)?).await?;
    let rows = found["plans"].as_array().cloned().unwrap_or_default();
    let row = |p: &Value| {
        ["id", "status", "domain", "created_at", "title"]
            .map(|k| text(&p[k]))
            .to_vec()
    };
    let head = &["ID", "STATUS", "DOMAIN", "CREATED", "TITLE"];
    show(&rows, output, "id", (head, row))
}

/// All that memory knows, as it comes: JSON escapes what could move a cursor.
pub(super) async fn export(api: &Api, after: u64) -> Result<()> {
    let asked = [("after", Some(after.to_string()))];
    let mut answer = api.raw(&path("/elf/export", asked)?).await?;
    let mut out = std::io::stdout().lock();
    while let Some(piece) = answer
        .chunk()
        .await
        .context("read the export; it is not whole")?
    {
        match out.write_all(&piece) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            done => done.context("wrote the export")?,
        }
    }
    out.flush().context("wrote the export")
}
