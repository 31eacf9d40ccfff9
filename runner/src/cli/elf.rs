//! `sandbox elf`: what the shared memory knows, and teaching it by hand.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    api::Api,
    shown::{Output, document, out, show, text},
};

/// The shared memory.
#[derive(clap::Args)]
pub struct Elf {
    #[command(subcommand)]
    command: Command,
    /// How to show it
    #[arg(short, long, global = true)]
    output: Option<Output>,
}

#[derive(Subcommand)]
enum Command {
    /// Count what is known
    Stats,
    /// List rules
    Rules {
        /// Only of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Most rows
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one rule
    Show {
        /// Its number or id
        rule: String,
    },
    /// Take a rule out of every prompt
    Retire {
        /// Its number or id
        rule: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Show what an attempt was given, and what was kept back
    Receipt {
        /// The job's id or name
        job: String,
        /// Which attempt; the last when absent
        #[arg(long)]
        attempt: Option<u32>,
    },
    /// Teach a rule
    Add {
        /// What it is about, such as rust or auth
        domain: String,
        /// The rule, one line
        rule: String,
        /// Why
        #[arg(long, default_value = "")]
        explanation: String,
        /// Only for this project
        #[arg(long)]
        project: Option<String>,
    },
}

impl Elf {
    /// Asks or teaches.
    ///
    /// # Errors
    /// The server cannot be asked, or refuses.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        match self.command {
            Command::Stats => document(&api.get("/elf/stats").await?, self.output)?,
            Command::Rules { domain, limit } => rules(api, domain, limit, self.output).await?,
            Command::Show { rule } => {
                let found = api
                    .get(&format!("/elf/heuristics/{}", named(&rule)?))
                    .await?;
                document(&found, self.output)?;
            }
            Command::Retire { rule, reason } => {
                let path = format!("/elf/heuristics/{}/retire", named(&rule)?);
                let retired = api.post(&path, &json!({"reason": reason}), &[]).await?;
                match self.output {
                    None => out(&format!(
                        "rule {} is in no prompt any more",
                        text(&retired["id"])
                    )),
                    some => document(&retired, some)?,
                }
            }
            Command::Receipt { job, attempt } => {
                let attempt = attempt.map(|n| format!("?attempt={n}")).unwrap_or_default();
                let path = format!("/jobs/{}/receipt{attempt}", api.id(&job).await?);
                document(&api.get(&path).await?, self.output)?;
            }
            Command::Add {
                domain,
                rule,
                explanation,
                project,
            } => {
                let body = json!({"domain": domain, "rule": rule, "explanation": explanation, "project_path": project});
                let made = api.post("/elf/heuristics", &body, &[]).await?;
                match self.output {
                    None => out(&format!("rule {} is known", text(&made["id"]))),
                    some => document(&made, some)?,
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A rule's number or id, which becomes part of a path.
fn named(rule: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if rule.is_empty() || !rule.chars().all(plain) {
        bail!("{rule:?} is neither a rule's number nor its id; `sandbox elf rules` lists them");
    }
    Ok(rule)
}

async fn rules(
    api: &Api,
    domain: Option<String>,
    limit: u32,
    output: Option<Output>,
) -> Result<()> {
    let domain = domain.map(|d| format!("&domain={d}"));
    let path = format!(
        "/elf/heuristics?limit={limit}{}",
        domain.unwrap_or_default()
    );
    let found = api.get(&path).await?;
    let rows = found["heuristics"].as_array().cloned().unwrap_or_default();
    let row = |r: &Value| {
        ["id", "domain", "confidence", "rule"]
            .map(|k| text(&r[k]))
            .to_vec()
    };
    show(
        &rows,
        output,
        "id",
        (&["ID", "DOMAIN", "CONFIDENCE", "RULE"], row),
    )
}
