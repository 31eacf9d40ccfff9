//! `sandbox elf`: what the shared memory knows, and teaching it by hand.

mod import;
mod look;
mod reflect;
mod teach;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Url;
use serde_json::Value;

use super::{
    api::Api,
    shown::{Output, document, show, text},
};
use look::Listed;
use reflect::Reflect;
use teach::Taught;

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
    /// List rules, most trusted first
    #[command(alias = "list")]
    Rules(Listed),
    /// Show one rule
    Show {
        /// Its number or id
        rule: String,
        /// With what is believed of it, why, and what happened to it
        #[arg(long)]
        history: bool,
    },
    /// Say why a rule is golden or is not, and what it lacks
    Explain {
        /// Its number or id
        rule: String,
    },
    /// Put a rule into every prompt that it fits
    Pin {
        /// Its number or id
        rule: String,
    },
    /// Make a pinned rule an ordinary one again
    Unpin {
        /// Its number or id
        rule: String,
    },
    /// Make a pinned or retired rule, a proposal, or one in quarantine, an ordinary one
    #[command(visible_aliases = ["release", "accept"])]
    Activate {
        /// Its number or id
        rule: String,
    },
    /// Find rules by their words
    Search {
        /// The words
        words: String,
        /// Only of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Most rows
        #[arg(long, default_value_t = 10)]
        limit: u32,
    },
    /// Show what a job would be given now; nothing is written
    Context(Work),
    /// Show files that work went through lately, strongest first
    Trails {
        /// Only this file, files below this folder, or files that fit a pattern such as 'src/**/*.rs'
        path: Option<String>,
        /// Only of this project
        #[arg(long)]
        project: Option<String>,
        /// Most rows
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// List plans, newest first
    Plans {
        /// active, completed or all
        #[arg(long, default_value = "active")]
        status: String,
        /// Most rows
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Write all that memory knows to standard output, one JSON object a line
    Export {
        /// Begin after this place of the log
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Take over what `sandbox elf export` wrote elsewhere, into a memory that is empty or began with it
    Import {
        /// The file; - for standard input
        file: PathBuf,
    },
    /// Take a rule out of every prompt, or refuse a proposal
    #[command(visible_alias = "reject")]
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
    /// Teach a rule, a decision or an invariant
    Add(Taught),
    /// Keep a rule of which no agent is told until a person accepts it
    Propose(Taught),
    /// Have a model read a finished job and propose rules; they wait for a person
    Reflect(Reflect),
}

/// What a job would ask.
#[derive(clap::Args)]
struct Work {
    /// What the work is about
    task: String,
    /// Whose lessons are wanted most
    #[arg(long)]
    domain: Option<String>,
    /// The project of the work
    #[arg(long)]
    project: Option<String>,
    /// A file that the work is at; may be given again
    #[arg(long = "file")]
    files: Vec<String>,
}

impl Elf {
    /// Asks or teaches.
    ///
    /// # Errors
    /// The server cannot be asked, or refuses.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let output = self.output;
        match self.command {
            Command::Stats => document(&api.get("/elf/stats").await?, output)?,
            Command::Rules(listed) => listed.show(api, output).await?,
            Command::Search {
                words,
                domain,
                limit,
            } => {
                let limit = Some(limit.to_string());
                let asked = [("query", Some(words)), ("domain", domain), ("limit", limit)];
                let found = path("/elf/search", asked)?;
                rules(api, (&found, "heuristics"), output).await?;
            }
            Command::Show { rule, history } => {
                let table = if history { "rules" } else { "heuristics" };
                let path = format!("/elf/{table}/{}", named(&rule)?);
                document(&api.get(&path).await?, output)?;
            }
            Command::Explain { rule } => look::explain(api, named(&rule)?, output).await?,
            Command::Pin { rule } => teach::stand(api, &rule, "pin", output).await?,
            Command::Unpin { rule } => teach::stand(api, &rule, "unpin", output).await?,
            Command::Activate { rule } => teach::stand(api, &rule, "activate", output).await?,
            Command::Retire { rule, reason } => teach::retire(api, &rule, &reason, output).await?,
            Command::Trails {
                path: below,
                project,
                limit,
            } => {
                let limit = ("limit", Some(limit.to_string()));
                let asked = [("path", below), ("project_path", project), limit];
                look::trails(api, &path("/elf/trails", asked)?, output).await?;
            }
            Command::Plans { status, limit } => look::plans(api, status, limit, output).await?,
            Command::Import { file } => import::import(api, &file, output).await?,
            Command::Export { after } => look::export(api, after).await?,
            Command::Receipt { job, attempt } => {
                let asked = [("attempt", attempt.map(|n| n.to_string()))];
                let at = format!("/jobs/{}/receipt", api.id(&job).await?);
                document(&api.get(&path(&at, asked)?).await?, output)?;
            }
            Command::Context(work) => context(api, work, output).await?,
            Command::Add(rule) => teach::add(api, rule, output).await?,
            Command::Reflect(job) => return job.run(api, output).await,
            Command::Propose(rule) => teach::propose(api, rule, output).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn context(api: &Api, work: Work, output: Option<Output>) -> Result<()> {
    let asked = [
        ("task", Some(work.task)),
        ("domain", work.domain),
        ("project_path", work.project),
        ("files", Some(work.files.join(","))),
    ];
    look::context(api, &path("/elf/context", asked)?, output).await
}

/// A path with what is asked, in the signs of an address.
fn path<const N: usize>(path: &str, asked: [(&str, Option<String>); N]) -> Result<String> {
    let mut url = Url::parse("http://server/")?.join(path)?;
    for (name, value) in asked {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
    Ok(format!("{path}{query}"))
}

/// A rule's number or id, which becomes part of a path.
fn named(rule: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if rule.is_empty() || !rule.chars().all(plain) {
        bail!("{rule:?} is neither a rule's number nor its id; `sandbox elf rules` lists them");
    }
    Ok(rule)
}

async fn rules(api: &Api, (path, list): (&str, &str), output: Option<Output>) -> Result<()> {
    let found = api.get(path).await?;
    let rows = found[list].as_array().cloned().unwrap_or_default();
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
