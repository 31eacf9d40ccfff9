//! The argument list of dbt. Every value is one word of it; none may look like an option.

use std::path::{Path, PathBuf};

use sandbox_core::spec::DbtRunSpec;

/// The folders of a run, resolved.
pub(super) struct Folders {
    /// The project.
    pub(super) project: PathBuf,
    /// The folder of `profiles.yml`, where the job names one.
    pub(super) profiles: Option<PathBuf>,
}

/// Program and arguments. `command` is the server's setting; plain `dbt` when it is empty.
///
/// # Errors
/// What of the job cannot be an argument, for people.
pub(super) fn argv(
    command: &[String],
    spec: &DbtRunSpec,
    folders: &Folders,
) -> Result<Vec<String>, String> {
    let mut argv = match command {
        [] => vec!["dbt".to_owned()],
        given => given.to_vec(),
    };
    argv.push(word(spec)?);
    let mut add = |option: &str, value: Option<String>| {
        argv.extend(value.into_iter().flat_map(|v| [option.to_owned(), v]));
    };
    add("--project-dir", Some(text(&folders.project)?));
    add(
        "--profiles-dir",
        folders.profiles.as_ref().map(|p| text(p)).transpose()?,
    );
    add("--target", Some(value("target", &spec.target)?));
    add("--select", optional("select", spec.select.as_deref())?);
    add("--exclude", optional("exclude", spec.exclude.as_deref())?);
    add("--vars", vars(spec)?);
    add("--threads", spec.threads.map(|n| n.to_string()));
    let flags = [
        ("--full-refresh", spec.full_refresh),
        ("--fail-fast", spec.fail_fast),
    ];
    argv.extend(flags.iter().filter(|f| f.1).map(|f| f.0.to_owned()));
    Ok(argv)
}

/// The command as it stands in the job, which is how dbt writes it too.
fn word(spec: &DbtRunSpec) -> Result<String, String> {
    match serde_json::to_value(spec.command) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err("read the job: its dbt command is no word".to_owned()),
    }
}

fn optional(field: &str, text: Option<&str>) -> Result<Option<String>, String> {
    text.map(|t| value(field, t)).transpose()
}

/// A value that dbt cannot take for an option, not even when it splits it at blanks.
fn value(field: &str, text: &str) -> Result<String, String> {
    let is_option = text.split_whitespace().any(|w| w.starts_with('-'));
    if is_option || text.trim().is_empty() || text.contains(char::is_control) {
        let rule = "must not be empty, begin a word with - or hold control characters";
        return Err(format!("read the job: {field} {rule}"));
    }
    Ok(text.to_owned())
}

fn vars(spec: &DbtRunSpec) -> Result<Option<String>, String> {
    if spec.vars.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(&spec.vars);
    json.map(Some)
        .map_err(|e| format!("read the job: vars: {e}"))
}

fn text(path: &Path) -> Result<String, String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| "read the job: a folder's path is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: serde_json::Value) -> DbtRunSpec {
        serde_json::from_value(value).unwrap()
    }

    fn folders(profiles: Option<&str>) -> Folders {
        Folders {
            project: "/w/p".into(),
            profiles: profiles.map(PathBuf::from),
        }
    }

    #[test]
    fn a_plain_run_names_project_and_target() {
        let argv = argv(&[], &spec(json!({"projectPath": "p"})), &folders(None)).unwrap();
        assert_eq!(
            argv,
            ["dbt", "run", "--project-dir", "/w/p", "--target", "dev"]
        );
    }

    #[test]
    fn every_field_becomes_its_option() {
        let spec = spec(
            json!({"projectPath": "p", "command": "build", "target": "prod",
            "select": "tag:daily model+", "exclude": "old", "fullRefresh": true, "failFast": true,
            "vars": {"day": "2026-01-01; rm -rf /"}, "threads": 4}),
        );
        let argv = argv(
            &["uv".into(), "run".into(), "dbt".into()],
            &spec,
            &folders(Some("/w/f")),
        );
        let expected = [
            "uv",
            "run",
            "dbt",
            "build",
            "--project-dir",
            "/w/p",
            "--profiles-dir",
            "/w/f",
            "--target",
            "prod",
            "--select",
            "tag:daily model+",
            "--exclude",
            "old",
            "--vars",
            r#"{"day":"2026-01-01; rm -rf /"}"#,
            "--threads",
            "4",
            "--full-refresh",
            "--fail-fast",
        ];
        assert_eq!(argv.unwrap(), expected);
    }

    #[test]
    fn a_value_that_looks_like_an_option_is_refused_with_its_field() {
        for field in ["target", "select", "exclude"] {
            for value in ["--version", "-x", "a --profiles-dir /etc", " ", "a\n--b"] {
                let spec = spec(json!({"projectPath": "p", field: value}));
                let error = argv(&[], &spec, &folders(None)).unwrap_err();
                assert!(error.contains(field), "{field} {value:?}: {error}");
            }
        }
    }
}
