//! `sandbox submit`: a job from flags or from a manifest; both are the same `AgentJob`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{
    api::Api,
    shown::{Output, document, out, text},
    validate,
    wait::wait_for,
};

/// A job.
#[derive(clap::Args)]
pub struct Submit {
    /// A manifest in YAML or JSON instead of flags; - for standard input
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        conflicts_with = "job_type"
    )]
    file: Option<PathBuf>,
    /// The job type: echo, claude_chat, analytics, agent_farm or dbt_run
    #[arg(value_name = "TYPE", required_unless_present = "file")]
    job_type: Option<String>,
    /// One field of the job type, such as message=hello or agents=3; repeatable
    #[arg(
        short,
        long = "set",
        value_name = "FIELD=VALUE",
        conflicts_with = "file"
    )]
    set: Vec<String>,
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// How long it may take, such as 2h
    #[arg(long)]
    deadline: Option<String>,
    /// Most US dollars it may cost
    #[arg(long, value_name = "USD")]
    budget: Option<String>,
    /// Most tokens it may use
    #[arg(long)]
    tokens: Option<u64>,
    /// Higher goes first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A text that makes a repeated submission the same submission
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for its end; the exit code says how it ended
    #[arg(short, long)]
    wait: bool,
    /// How to show it
    #[arg(short, long)]
    output: Option<Output>,
}

impl Submit {
    /// Checks the job here, then submits it.
    ///
    /// # Errors
    /// The job is not valid, or the server refuses it.
    pub async fn run(self, api: &Api) -> Result<ExitCode> {
        let job = match &self.file {
            Some(file) => validate::read(file)?,
            None => validate::check(self.job()?)?,
        };
        let key = self
            .idempotency_key
            .as_deref()
            .map(|key| ("idempotency-key", key));
        let headers: Vec<(&str, &str)> = key.into_iter().collect();
        let made = api
            .post("/jobs", &serde_json::to_value(&job)?, &headers)
            .await?;
        let id = text(&made["job_id"]);
        if self.wait {
            return wait_for(api, &id, None, self.output).await;
        }
        match self.output {
            None => out(&format!(
                "job {id} submitted; `sandbox wait {id}` waits for its end"
            )),
            some => document(&made, some)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn job(&self) -> Result<Value> {
        let word = self.job_type.as_deref().unwrap_or_default();
        let known = sandbox_core::JobType::from_word(word);
        let Some(job_type) = known else {
            let all: Vec<&str> = sandbox_core::JobType::ALL
                .map(sandbox_core::JobType::word)
                .into();
            bail!("{word:?} is no job type; there are {}", all.join(", "));
        };
        let mut spec = json!({"type": job_type.word(), job_type.member(): self.fields()?});
        let budget = json!({"usd": self.budget, "tokens": self.tokens});
        put(&mut spec, "deadline", json!(self.deadline));
        put(&mut spec, "priority", json!(self.priority));
        put(&mut spec, "budget", without_nulls(budget));
        Ok(json!({
            "apiVersion": "multiagent.dev/v1alpha1",
            "kind": "AgentJob",
            "metadata": without_nulls(json!({"name": self.name})),
            "spec": spec,
        }))
    }

    fn fields(&self) -> Result<Value> {
        let mut fields = Value::Object(Map::new());
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else {
                bail!("--set {set:?} is not like field=value");
            };
            set_at(&mut fields, path, value);
        }
        Ok(fields)
    }
}

/// Puts a value at a dotted path. What reads as a number, true, false, a list or an object is one;
/// everything else is a text.
fn set_at(fields: &mut Value, path: &str, value: &str) {
    let mut at = fields;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    let read: Option<Value> = serde_json::from_str(value)
        .ok()
        .filter(|v: &Value| !v.is_null());
    *at = read.unwrap_or_else(|| json!(value));
}

fn put(spec: &mut Value, key: &str, value: Value) {
    let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
    if !empty {
        spec[key] = value;
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, v| !v.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_field_goes_where_its_path_says_and_is_what_it_reads_as() {
        let mut fields = json!({});
        set_at(&mut fields, "workspace.path", "demo");
        set_at(&mut fields, "agents", "3");
        set_at(&mut fields, "task", "fix: a=b");
        assert_eq!(
            fields,
            json!({"workspace": {"path": "demo"}, "agents": 3, "task": "fix: a=b"})
        );
    }
}
