//! Where the shared memory of a cluster is: the one place that knows its kinds.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use sandbox_elf::{
    Elf,
    store::{
        dynamodb::{DynamoLedger, DynamoSettings},
        memory::MemoryLedger,
        redis::{
            RedisLedger,
            link::{Link, RedisSettings},
        },
    },
};

use super::settings::ElfSettings;
use crate::ledger::{RemoteLedger, RemoteSettings};

/// Opens it.
///
/// # Errors
/// It cannot be reached, or would lose something; the text says what to do.
pub(super) async fn open(settings: &ElfSettings) -> Result<Arc<Elf>> {
    let scheme = settings.elf.split("://").next().unwrap_or_default();
    match scheme {
        "memory" => {
            tracing::warn!(
                "what jobs learn is this replica's own, and gone when it ends; set --elf"
            );
            Ok(Arc::new(Elf::new(Arc::new(MemoryLedger::default()))))
        }
        "redis" | "rediss" | "unix" | "redis+unix" => {
            let link = Link::open(&redis(settings)?).await?;
            Ok(Arc::new(Elf::new(Arc::new(RedisLedger::new(link)))))
        }
        "https" => {
            let ledger = RemoteLedger::new(ledger(settings)?)?;
            Ok(Arc::new(Elf::new(Arc::new(ledger))))
        }
        "dynamodb" => {
            let ledger = Box::pin(DynamoLedger::open(&table(settings)?)).await?;
            Ok(Arc::new(Elf::new(Arc::new(ledger))))
        }
        // It may have a password in it.
        _ => bail!(
            "read --elf: it is neither memory nor redis://…, rediss://…, unix://…, dynamodb://TABLE or https://…"
        ),
    }
}

fn ledger(settings: &ElfSettings) -> Result<RemoteSettings> {
    let token = secret("--ledger-token-file", settings.ledger_token_file.as_deref())?;
    let asked =
        "read --ledger-token-file: a ledger at https://… asks for its token, and no file is named";
    let ca = settings.ledger_ca_file.as_deref();
    Ok(RemoteSettings {
        url: settings.elf.clone(),
        token: token.context(asked)?.into(),
        ca: ca.map(|file| read("--ledger-ca-file", file)).transpose()?,
    })
}

fn table(settings: &ElfSettings) -> Result<DynamoSettings> {
    let asked = "read --elf-snapshots: memory on DynamoDB asks for a place for its snapshots; name s3://BUCKET/FOLDER";
    let snapshots = settings.elf_snapshots.as_deref().context(asked)?;
    let table = settings.elf.trim_start_matches("dynamodb://");
    Ok(DynamoSettings::new(table, snapshots))
}

fn redis(settings: &ElfSettings) -> Result<RedisSettings> {
    let password = settings.redis_password_file.as_deref();
    let ca = settings.redis_ca_file.as_deref();
    Ok(RedisSettings {
        url: settings.elf.clone(),
        password: secret("--redis-password-file", password)?,
        ca: ca.map(|file| read("--redis-ca-file", file)).transpose()?,
        prefix: settings.redis_prefix.clone(),
        replicas: settings.redis_replicas,
        may_lose_a_second: false,
    })
}

/// The text of a file, where one is named, without the end of its line.
fn secret(flag: &str, file: Option<&Path>) -> Result<Option<String>> {
    let text = file.map(|file| read(flag, file)).transpose()?;
    let text = text.map(String::from_utf8).transpose();
    let text = text.with_context(|| format!("read {flag}: it is not UTF-8"))?;
    Ok(text.map(|text| text.trim_end().to_owned()))
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("read {flag} {}", file.display()))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::{fs, net::TcpListener};

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use sandbox_core::Tenant;
    use sandbox_elf::{NewRule, face::RuleQuery};

    use super::*;
    use crate::ledger::{Serving, serve};

    fn settings(elf: String, folder: &Path) -> ElfSettings {
        ElfSettings {
            elf,
            elf_snapshots: None,
            ledger_token_file: Some(folder.join("token")),
            ledger_ca_file: Some(folder.join("cert.pem")),
            redis_password_file: None,
            redis_ca_file: None,
            redis_prefix: "sandbox".to_owned(),
            redis_replicas: 0,
        }
    }

    #[tokio::test]
    async fn replicas_at_one_ledger_know_what_the_other_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(at("cert.pem"), cert.pem()).unwrap();
        fs::write(at("key.pem"), signing_key.serialize_pem()).unwrap();
        fs::write(at("token"), "a token of the tests\n").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serving = Serving {
            listener,
            token: "a token of the tests".into(),
            tls: Some((at("cert.pem"), at("key.pem"))),
        };
        let ledger = Arc::new(MemoryLedger::default());
        tokio::spawn(serve(ledger, serving, std::future::pending()));
        let (one, other) = (
            open(&settings(url.clone(), folder.path())).await.unwrap(),
            open(&settings(url, folder.path())).await.unwrap(),
        );
        let tenant = Tenant::default_tenant();
        let rule = NewRule {
            domain: "db".to_owned(),
            text: "Run migrations before the deploy".to_owned(),
            ..NewRule::default()
        };
        one.add_rule(&tenant, rule).await.unwrap();
        let known = other.list_rules(&tenant, RuleQuery::default()).await;
        assert_eq!(known.unwrap().rules.len(), 1);
    }

    #[tokio::test]
    async fn a_ledger_without_a_token_and_an_unknown_place_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let bare = ElfSettings {
            ledger_token_file: None,
            ..settings("https://ledger:8300".to_owned(), folder.path())
        };
        let said = open(&bare).await.err().unwrap().to_string();
        assert!(said.contains("--ledger-token-file"), "{said}");
        let odd = settings("ftp://me:secret@host".to_owned(), folder.path());
        let said = open(&odd).await.err().unwrap().to_string();
        assert!(
            said.contains("https://…") && !said.contains("secret"),
            "{said}"
        );
    }
}
