//! Manifests: read, checked, and `sandbox validate -f` for them.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow};
use sandbox_core::{AgentJob, validate};
use serde_json::Value;

use super::shown::out;

/// A manifest.
#[derive(clap::Args)]
pub struct Validate {
    /// The manifest in YAML or JSON; - for standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
}

impl Validate {
    /// Says what is wrong, with line or field; nothing is sent anywhere.
    pub fn run(&self) -> ExitCode {
        match self.checked() {
            Ok(()) => {
                out(&format!("{}: valid", self.file.display()));
                ExitCode::SUCCESS
            }
            Err(e) => {
                eprintln!("{}: {e:#}", self.file.display());
                ExitCode::FAILURE
            }
        }
    }
}

impl Validate {
    fn checked(&self) -> Result<()> {
        let value = value(&self.file)?;
        if value["kind"] == "RunnerHost" {
            return validate::parse_host(value).map(drop).map_err(|p| told(&p));
        }
        check(value).map(drop)
    }
}

/// Reads and checks a job's manifest.
///
/// # Errors
/// It is not readable, no YAML (with line and column), or no valid job (with field paths).
pub fn read(file: &Path) -> Result<AgentJob> {
    check(value(file)?)
}

fn value(file: &Path) -> Result<Value> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("read standard input")?;
        text
    } else {
        std::fs::read_to_string(file).context("read the manifest")?
    };
    serde_saphyr::from_str(&text).map_err(|e| anyhow!("read the YAML: {e}"))
}

/// Checks a job given as JSON.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn check(value: Value) -> Result<AgentJob> {
    validate::parse(value).map_err(|p| told(&p))
}

fn told(problems: &validate::Problems) -> anyhow::Error {
    let lines: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    anyhow!("{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.yaml");
        std::fs::write(&file, text).unwrap();
        format!("{:#}", read(&file).unwrap_err())
    }

    #[test]
    fn bad_yaml_is_refused_with_its_line() {
        let text =
            refusal("apiVersion: multiagent.dev/v1alpha1\nkind: AgentJob\nspec: {type: echo\n");
        assert!(text.contains("line 3") || text.contains("line 4"), "{text}");
    }

    #[test]
    fn a_wrong_field_of_a_manifest_is_refused_with_its_path() {
        let text = refusal(
            "apiVersion: multiagent.dev/v1alpha1\nkind: AgentJob\nmetadata: {}\nspec:\n  type: echo\n  echo: {mesage: hi}\n",
        );
        assert!(
            text.contains("spec.echo") && text.contains("mesage"),
            "{text}"
        );
    }
}
