//! What the parts of a deployment are called: as Terraform tells it, or as somebody says. Asks nobody.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What stands of the outputs of Terraform, and what else was said. What is said goes before.
#[allow(
    clippy::doc_markdown,
    reason = "these texts are shown to people as they stand"
)]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Said {
    /// The region [default: that of the outputs, or of the environment]
    #[arg(long, value_name = "REGION", env = "SANDBOX_CLOUD_REGION")]
    pub region: Option<String>,
    /// The table of jobs
    #[arg(long, value_name = "NAME", env = "SANDBOX_CLOUD_TABLE")]
    pub table: Option<String>,
    /// The ECS cluster of tasks
    #[arg(long, value_name = "NAME", env = "SANDBOX_CLOUD_CLUSTER")]
    pub cluster: Option<String>,
    /// The URL of the queue of wakes
    #[arg(long, value_name = "URL", env = "SANDBOX_CLOUD_WAKES")]
    pub wakes: Option<String>,
    /// The rule of the sweep
    #[arg(long, value_name = "NAME", env = "SANDBOX_CLOUD_SWEEP_RULE")]
    pub sweep_rule: Option<String>,
    /// The event source mappings of the function reconcile, as changes=UUID,wakes=UUID
    #[arg(long, value_name = "PAIRS", value_delimiter = ',', value_parser = pair, env = "SANDBOX_CLOUD_EVENT_SOURCES")]
    pub event_sources: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text
        .split_once('=')
        .filter(|(name, id)| !name.is_empty() && !id.is_empty());
    let (name, id) = pair.ok_or("it is not like wakes=UUID")?;
    Ok((name.to_owned(), id.to_owned()))
}

/// What a deployment's parts are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The region; that of the environment when absent.
    pub region: Option<String>,
    /// The table of jobs.
    pub table: String,
    /// The ECS cluster.
    pub cluster: String,
    /// The URL of the queue of wakes.
    pub wakes: String,
    /// The rule of the sweep.
    pub sweep_rule: String,
    /// The ids of the event source mappings, by what they poll.
    pub sources: BTreeMap<String, String>,
    /// What is billed by the month though nothing runs, where that is told.
    pub standing: Option<Standing>,
}

/// How many there are of what is billed by the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Keys of KMS.
    pub kms_keys: u32,
    /// Secrets.
    pub secrets: u32,
    /// Alarms.
    pub alarms: u32,
    /// How tasks reach the world.
    pub way_out: String,
}

#[derive(Deserialize)]
struct Output<T> {
    value: T,
}

/// What `terraform output -json` prints, as far as it is needed.
#[derive(Default, Deserialize)]
struct Outputs {
    region: Option<Output<String>>,
    records_table: Option<Output<String>>,
    cluster: Option<Output<String>>,
    queues: Option<Output<BTreeMap<String, String>>>,
    sweep_rule: Option<Output<String>>,
    event_sources: Option<Output<BTreeMap<String, String>>>,
    standing: Option<Output<Standing>>,
}

impl Names {
    /// From what was said, and from what `terraform output -json` printed.
    ///
    /// # Errors
    /// The outputs cannot be read, or a name is missing; the text says which and how it is said.
    pub fn read(said: Said, outputs: Option<&str>) -> Result<Self> {
        let known: Outputs = match outputs {
            Some(text) => serde_json::from_str(text)
                .context("read the outputs: they are not what `terraform output -json` prints")?,
            None => Outputs::default(),
        };
        let value = |output: Option<Output<String>>| output.map(|o| o.value);
        let queue = known.queues.and_then(|mut q| q.value.remove("wakes"));
        let mut sources = known.event_sources.map_or_else(BTreeMap::new, |o| o.value);
        sources.extend(said.event_sources);
        let mut missing = Vec::new();
        let mut want = |name: Option<String>, flag| {
            let name = name.filter(|n| !n.is_empty());
            name.unwrap_or_else(|| {
                missing.push(flag);
                String::new()
            })
        };
        let names = Self {
            region: said.region.or(value(known.region)),
            table: want(said.table.or(value(known.records_table)), "--table"),
            cluster: want(said.cluster.or(value(known.cluster)), "--cluster"),
            wakes: want(said.wakes.or(queue), "--wakes"),
            sweep_rule: want(said.sweep_rule.or(value(known.sweep_rule)), "--sweep-rule"),
            standing: known.standing.map(|o| o.value),
            sources,
        };
        if names.sources.is_empty() {
            missing.push("--event-sources");
        }
        if missing.is_empty() {
            return Ok(names);
        }
        bail!(
            "named the deployment: {} not known; give what `terraform output -json` prints with --outputs FILE (- for stdin), or say them as flags",
            are(&missing)
        )
    }
}

fn are(missing: &[&str]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", missing.join(", "))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outputs() -> serde_json::Value {
        let of = |value: serde_json::Value| json!({"sensitive": false, "type": "string", "value": value});
        json!({
            "url": of(json!("https://x")),
            "region": of(json!("eu-central-1")),
            "records_table": of(json!("sandbox-records")),
            "cluster": of(json!("sandbox")),
            "queues": of(json!({"wakes": "https://sqs/wakes", "aside-wakes": "https://sqs/aside"})),
            "sweep_rule": of(json!("sandbox-sweep")),
            "event_sources": of(json!({"changes": "u1", "wakes": "u2"})),
            "standing": of(json!({"kms_keys": 1, "secrets": 2, "alarms": 10, "way_out": "address"})),
        })
    }

    #[test]
    fn names_stand_in_the_outputs_and_what_is_said_goes_before() {
        let said = Said {
            table: Some("other".to_owned()),
            ..Said::default()
        };
        let names = Names::read(said, Some(&outputs().to_string())).unwrap();
        assert_eq!((&*names.table, &*names.cluster), ("other", "sandbox"));
        assert_eq!(names.region.as_deref(), Some("eu-central-1"));
        assert_eq!(
            (&*names.wakes, &*names.sweep_rule),
            ("https://sqs/wakes", "sandbox-sweep")
        );
        assert_eq!(names.sources["changes"], "u1");
        assert_eq!(names.standing.unwrap().alarms, 10);
    }

    #[test]
    fn everything_can_be_said_without_outputs() {
        let some = |text: &str| Some(text.to_owned());
        let said = Said {
            region: None,
            table: some("t"),
            cluster: some("c"),
            wakes: some("w"),
            sweep_rule: some("r"),
            event_sources: vec![pair("wakes=u2").unwrap()],
        };
        assert_eq!(Names::read(said, None).unwrap().sources["wakes"], "u2");
        assert!(pair("wakes").is_err() && pair("=u").is_err());
    }

    #[test]
    fn what_is_missing_is_named_with_the_flag_that_says_it() {
        let mut some = outputs();
        some.as_object_mut().unwrap().remove("event_sources");
        some["cluster"]["value"] = json!("");
        let told = Names::read(Said::default(), Some(&some.to_string())).unwrap_err();
        let told = told.to_string();
        assert!(
            told.contains("--cluster, --event-sources are not known"),
            "{told}"
        );
        let none = Names::read(Said::default(), None).unwrap_err().to_string();
        assert!(none.contains("terraform output -json"), "{none}");
        let odd = Names::read(Said::default(), Some("url = \"x\"")).unwrap_err();
        assert!(odd.to_string().contains("terraform output -json"), "{odd}");
    }
}
