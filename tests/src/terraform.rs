//! Terraform, or `OpenTofu`, at the modules of this repository, with a provider that has the schema of AWS's and makes
//! nothing (`scripts/terraform/paper`). `scripts/setup terraform` fetches and builds it all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::cache::part;

/// The modules of this repository.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../terraform")
}

/// Where checkov stands, and what it brings.
pub fn checkov() -> PathBuf {
    part("checkov", "bin").unwrap().parent().unwrap().to_owned()
}

/// All files beneath a folder with one of these endings, in order.
pub fn files(beneath: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(beneath).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The version of the AWS provider whose schema is asked.
pub fn provider_version() -> String {
    let all = fs::read_to_string(part("aws_schema", "schema.json").unwrap()).unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    all["version"].as_str().unwrap().to_owned()
}

/// What the AWS provider knows of the types that the modules name. Every command reads it several times, and all of the
/// provider's two thousand take a second each time.
fn schema() -> &'static str {
    static SCHEMA: OnceLock<String> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let texts = files(&source(), "tf");
        let texts: String = texts
            .iter()
            .map(|f| fs::read_to_string(f).unwrap())
            .collect();
        let all = fs::read_to_string(part("aws_schema", "schema.json").unwrap()).unwrap();
        let mut all: Value = serde_json::from_str(&all).unwrap();
        for kind in ["resources", "data-sources"] {
            let types = all[kind].as_object_mut().unwrap();
            types.retain(|name, _| texts.contains(&format!("\"{name}\"")));
        }
        all.to_string()
    })
}

/// A copy of the modules, with a package for the functions beside the example. It goes with the value.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    /// A copy as the files stand now.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("terraform")
            .tempdir()
            .unwrap();
        let source = source();
        for file in files(&source, "tf") {
            let to = folder.path().join(file.strip_prefix(&source).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        let copy = Self { folder };
        fs::write(copy.example().join("bootstrap.zip"), "a package").unwrap();
        let provider = part("aws_schema", "provider").unwrap();
        let ours = format!("\"hashicorp/aws\" = \"{}\"", provider.display());
        let rules = format!("provider_installation {{\n  dev_overrides {{\n    {ours}\n  }}\n}}\n");
        fs::write(copy.folder.path().join("rc"), rules).unwrap();
        fs::write(copy.folder.path().join("schema.json"), schema()).unwrap();
        copy
    }

    /// Where it stands.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The one example.
    pub fn example(&self) -> PathBuf {
        self.folder.path().join("examples/serverless")
    }

    /// Writes something else into a file of the copy, at one place.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// Runs a command in the example, with nothing of the user's own.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut terraform = Command::new(part("aws_schema", "terraform").unwrap());
        terraform
            .args(words)
            .current_dir(self.example())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("rc"))
            .env("SCHEMA", self.folder.path().join("schema.json"))
            .env("TF_IN_AUTOMATION", "true")
            .env("CHECKPOINT_DISABLE", "true");
        terraform.output().unwrap()
    }

    /// Runs a command that has to do.
    pub fn told(&self, words: &[&str]) -> String {
        let seen = self.run(words);
        assert!(seen.status.success(), "{words:?}: {}", shown(&seen));
        String::from_utf8(seen.stdout).unwrap()
    }

    /// Whether what is written is right.
    ///
    /// # Errors
    /// What is said of what is not.
    pub fn validated(&self) -> Result<(), String> {
        self.told(&["get"]);
        let seen = self.run(&["validate", "-no-color"]);
        seen.status
            .success()
            .then_some(())
            .ok_or_else(|| shown(&seen))
    }

    /// Applies the example with these values of its variables, and gives what there is then.
    pub fn applied(&self, values: &[&str]) -> State {
        self.told(&["get"]);
        let told = self.run(&with(&["apply", "-auto-approve", "-no-color"], values));
        assert!(told.status.success(), "{values:?}: {}", shown(&told));
        self.state()
    }

    /// What there is.
    pub fn state(&self) -> State {
        let said = self.told(&["show", "-json"]);
        State(serde_json::from_str(&said).unwrap())
    }

    /// What is said where values of variables are refused.
    pub fn refused(&self, values: &[&str]) -> String {
        self.told(&["get"]);
        let seen = self.run(&with(&["plan", "-no-color"], values));
        assert!(!seen.status.success(), "taken: {values:?}");
        shown(&seen)
    }

    /// Ends all there is.
    pub fn destroyed(&self, values: &[&str]) -> State {
        self.told(&with(&["destroy", "-auto-approve", "-no-color"], values));
        self.state()
    }
}

impl Default for Copy {
    fn default() -> Self {
        Self::new()
    }
}

fn with<'a>(words: &[&'a str], values: &[&'a str]) -> Vec<&'a str> {
    let mut all = words.to_vec();
    all.extend(["-var", "region=eu-central-1"]);
    all.extend(values.iter().flat_map(|v| ["-var", *v]));
    all
}

/// Both streams, with lines put together again that were broken for a terminal.
fn shown(seen: &Output) -> String {
    let text = [&seen.stdout[..], &seen.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).replace(['│', '╷', '╵'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What Terraform says there is.
pub struct State(Value);

/// One resource of it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its module without an index, and its name: `api.aws_sqs_queue.wakes`.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The one of several that it is.
    pub index: Value,
    /// What it says.
    pub values: Value,
}

impl State {
    /// Every resource; no data.
    pub fn resources(&self) -> Vec<Resource> {
        let mut found = Vec::new();
        gather(&self.0["values"]["root_module"], "", &mut found);
        found
    }

    /// Those of a type.
    pub fn of(&self, kind: &str) -> Vec<Resource> {
        let mut all = self.resources();
        all.retain(|r| r.kind == kind);
        all
    }

    /// The one with this name, and this index where there are several.
    pub fn one(&self, name: &str, index: &Value) -> Resource {
        let all = self.resources();
        let mut found = all
            .into_iter()
            .filter(|r| r.name == name && r.index == *index);
        found.next().unwrap_or_else(|| panic!("no {name} {index}"))
    }

    /// An output of the example.
    pub fn output(&self, name: &str) -> &Value {
        &self.0["values"]["outputs"][name]["value"]
    }
}

fn gather(module: &Value, beneath: &str, found: &mut Vec<Resource>) {
    for it in module["resources"].as_array().into_iter().flatten() {
        let text = |key: &str| it[key].as_str().unwrap();
        if text("mode") == "managed" {
            found.push(Resource {
                name: format!("{beneath}{}.{}", text("type"), text("name")),
                kind: text("type").to_owned(),
                index: it["index"].clone(),
                values: it["values"].clone(),
            });
        }
    }
    for child in module["child_modules"].as_array().into_iter().flatten() {
        let address = child["address"].as_str().unwrap();
        let name = address.trim_start_matches("module.");
        let name = name.split('[').next().unwrap();
        gather(child, &format!("{name}."), found);
    }
}
