//! `sandbox host`: what tells a cluster to run attempts on this machine: a Secret with its token, and a `RunnerHost` with
//! the pin of its certificate.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use sandbox_operator::backend::remote::spki_sha256_of_pem;
use serde_json::{Value, json};

use crate::{
    config::{ServeConfig, ServeFlags},
    serve::host,
};

/// Prints what tells a cluster to run attempts on this machine; it holds the token.
#[derive(clap::Args)]
pub struct Host {
    /// Where the cluster reaches this machine, such as vps-1.example.org:7443
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// What it is to be called [default: the first part of the address]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The namespace whose jobs may run here [default: the one that kubectl is set to]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// A label by which jobs choose it, such as region=eu
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// The data folder of `sandbox serve` [default: $XDG_DATA_HOME/sandbox]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Host {
    /// Prints it.
    ///
    /// # Errors
    /// Certificate or token can be neither read nor made.
    pub fn run(self) -> Result<ExitCode> {
        let config = ServeConfig::resolve(&ServeFlags {
            data_dir: self.data_dir.clone(),
            ..ServeFlags::default()
        })?;
        let papers = host::papers(&config.data_dir, &config.sources)?;
        let shown = papers.certificate.display();
        let pem = fs::read(&papers.certificate).with_context(|| format!("read {shown}"))?;
        let pin = spki_sha256_of_pem(&pem);
        let pin = pin.with_context(|| format!("read {shown}: it is no certificate in PEM"))?;
        for object in self.objects(&papers.read_token()?, &pin)? {
            print!("---\n{}", serde_saphyr::to_string(&object)?);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn objects(&self, token: &str, pin: &str) -> Result<[Value; 2]> {
        let first = self.address.split(['.', ':']).next().unwrap_or_default();
        let name = self.name.as_deref().unwrap_or(first);
        let mut metadata = json!({"name": name});
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        let mut labelled = metadata.clone();
        labelled["labels"] = json!(self.labels()?);
        Ok([
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
                "stringData": {"token": token},
            }),
            json!({
                "apiVersion": "multiagent.dev/v1alpha1", "kind": "RunnerHost", "metadata": labelled,
                "spec": {
                    "address": self.address,
                    "certificate": {"spkiSha256": [pin]},
                    "credentials": {"secretName": name, "key": "token"},
                },
            }),
        ])
    }

    fn labels(&self) -> Result<BTreeMap<&str, &str>> {
        let pairs = self.labels.iter().map(|label| match label.split_once('=') {
            Some(pair) => Ok(pair),
            None => bail!("read --label: {label:?} is not like region=eu"),
        });
        pairs.collect()
    }
}
