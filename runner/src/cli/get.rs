//! `sandbox get jobs|agents|rules`

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::{
    api::Api,
    shown::{Output, age, show, text},
};

/// What to list.
#[derive(clap::Args)]
pub struct Get {
    /// What to list
    #[arg(value_enum)]
    what: What,
    /// Only one: a job's id or name
    named: Option<String>,
    /// Only jobs of this status: queued, running, succeeded or failed
    #[arg(long)]
    status: Option<String>,
    /// Only jobs of this type
    #[arg(long = "type", value_name = "TYPE")]
    job_type: Option<String>,
    /// Most rows, at most 500
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// How to show it
    #[arg(short, long)]
    output: Option<Output>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    #[value(alias = "job", alias = "aj")]
    Jobs,
    #[value(alias = "agent")]
    Agents,
    #[value(alias = "rule")]
    Rules,
}

impl Get {
    /// Lists.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        match self.what {
            What::Jobs => self.jobs(api).await?,
            What::Agents => {
                let found = api.get("/agents").await?;
                show(
                    rows(&found["agents"]),
                    self.output,
                    "agent_id",
                    (AGENTS, agent),
                )?;
            }
            What::Rules => {
                let found = api
                    .get(&format!("/elf/heuristics?limit={}", self.limit))
                    .await?;
                show(rows(&found["heuristics"]), self.output, "id", (RULES, rule))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn jobs(&self, api: &Api) -> Result<()> {
        let found = match &self.named {
            Some(named) => vec![api.job(named).await?],
            None => rows(&api.get(&self.query()).await?["jobs"]).to_vec(),
        };
        show(&found, self.output, "job_id", (JOBS, job))
    }

    fn query(&self) -> String {
        let status = self
            .status
            .as_ref()
            .map(|s| format!("&status={}", s.to_uppercase()));
        let job_type = self.job_type.as_ref().map(|t| format!("&type={t}"));
        let limit = self.limit;
        format!(
            "/jobs?limit={limit}{}{}",
            status.unwrap_or_default(),
            job_type.unwrap_or_default()
        )
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

const JOBS: &[&str] = &[
    "ID", "NAME", "TYPE", "STATUS", "ATTEMPT", "COST", "AGE", "REASON",
];

fn job(j: &Value) -> Vec<String> {
    let reason = match &j["queued_reason"] {
        Value::Null => text(&j["failure"]["class"]),
        waiting => text(waiting),
    };
    vec![
        text(&j["job_id"]),
        text(&j["name"]),
        text(&j["job_type"]),
        text(&j["status"]),
        text(&j["attempt"]),
        text(&j["usage"]["usd"]),
        age(&j["created_at"]),
        reason,
    ]
}

const AGENTS: &[&str] = &["AGENT", "JOB", "STATUS", "TERMINAL", "AGE"];

fn agent(a: &Value) -> Vec<String> {
    vec![
        text(&a["agent_id"]),
        text(&a["job_id"]),
        text(&a["status"]),
        text(&a["tmux_pane"]),
        age(&a["started_at"]),
    ]
}

const RULES: &[&str] = &["ID", "DOMAIN", "CONFIDENCE", "GOLDEN", "RULE"];

fn rule(r: &Value) -> Vec<String> {
    let golden = if r["is_golden"] == 1 || r["is_golden"] == true {
        "yes"
    } else {
        ""
    };
    vec![
        text(&r["id"]),
        text(&r["domain"]),
        text(&r["confidence"]),
        golden.to_owned(),
        text(&r["rule"]),
    ]
}
