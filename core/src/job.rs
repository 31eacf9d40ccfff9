//! Names that were checked once, and what every part may ask of an `AgentJob`.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::spec::AgentJob;

/// Says `"true"` on a deleted object: it is removed at once, whatever still runs or is not told.
pub const FORCE_REMOVE: &str = "multiagent.dev/force-remove";
/// What Argo CD writes on what it keeps in being begins with this.
const ARGO_CD: &str = "argocd.argoproj.io/";
/// What Flux writes on what it keeps in being.
const FLUX: [&str; 2] = [
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
];
/// What Argo CD writes where it is told to track by label, and many charts write too.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// What Helm writes on what it installed itself.
const RELEASE: &str = "meta.helm.sh/release-name";
use crate::{seat::Seat, status::AgentJobStatus};

/// A text that is not the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read a {what}: {seen:?} {rule}")]
pub struct BadName {
    what: &'static str,
    seen: String,
    rule: &'static str,
}

impl BadName {
    pub(crate) fn new(what: &'static str, seen: &str, rule: &'static str) -> Self {
        let seen = seen.chars().take(64).collect();
        Self { what, seen, rule }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        // Shared, for many places name the same job.
        pub struct $type(Arc<str>);

        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName::new($what, text, $rule))
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The unique id of a job: a UUID in lower case. It becomes part of file, session and pod names.
    Uid, "job id", "is not a UUID in lower case", is_uuid
);
name!(
    /// Whose job it is: a Kubernetes namespace, or the client of an API key.
    Tenant, "tenant", "must be 1 to 63 of a-z, 0-9 and -, with no - at an end", is_label
);

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether the text is an RFC 1123 label: what Kubernetes allows for a namespace.
#[must_use]
pub fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl Tenant {
    /// The tenant of whoever comes without a key while authentication is off.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

impl AgentJob {
    /// The unique id.
    ///
    /// # Errors
    /// The object has none, or one that is no UUID: it was not written by a store.
    pub fn uid(&self) -> Result<Uid, BadName> {
        self.metadata.uid.as_deref().unwrap_or_default().parse()
    }

    /// Whose job it is.
    ///
    /// # Errors
    /// The namespace is missing or no tenant's name.
    pub fn tenant(&self) -> Result<Tenant, BadName> {
        let name = self.metadata.namespace.as_deref();
        name.unwrap_or_default().parse()
    }

    /// The name within its tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The version that was read; a save that carries it loses to a newer one.
    #[must_use]
    pub fn version(&self) -> u64 {
        let text = self.metadata.resource_version.as_deref();
        text.and_then(|v| v.parse().ok()).unwrap_or_default()
    }

    /// When somebody deleted the object, where it is one and was.
    #[must_use]
    pub fn deleted_at(&self) -> Option<Timestamp> {
        self.metadata.deletion_timestamp.as_ref().map(|t| t.0)
    }

    /// Whether a person said that a deleted object is to go at once.
    #[must_use]
    pub fn is_forced_out(&self) -> bool {
        self.annotation(FORCE_REMOVE) == Some("true")
    }

    /// The text of this annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let all = self.metadata.annotations.as_ref()?;
        all.get(key).map(String::as_str)
    }

    /// Whether Argo CD or Flux keep the object in being: one that is removed would be made anew. In doubt, yes.
    #[must_use]
    pub fn is_kept_by_others(&self) -> bool {
        let keys = || {
            let labels = self.metadata.labels.iter().flat_map(|m| m.keys());
            labels.chain(self.metadata.annotations.iter().flat_map(|m| m.keys()))
        };
        let instance = keys().any(|k| k == INSTANCE) && self.annotation(RELEASE).is_none();
        instance || keys().any(|k| k.starts_with(ARGO_CD) || FLUX.contains(&k.as_str()))
    }

    /// The status, or an empty one before the first.
    #[must_use]
    pub fn status(&self) -> Cow<'_, AgentJobStatus> {
        match &self.status {
            Some(status) => Cow::Borrowed(status),
            None => Cow::Owned(AgentJobStatus::default()),
        }
    }

    /// The seat of the attempt that is under way, or was last.
    ///
    /// # Errors
    /// As [`AgentJob::uid`].
    pub fn seat(&self) -> Result<Seat, BadName> {
        Ok(Seat::new(self.uid()?, self.status().attempt))
    }

    /// When it was submitted: to the microsecond where a face wrote it, else to the second.
    #[must_use]
    pub fn submitted_at(&self) -> Timestamp {
        let created = self.metadata.creation_timestamp.as_ref().map(|t| t.0);
        self.status()
            .submitted_at
            .or(created)
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_that_could_leave_its_folder_is_refused() {
        for text in [
            "",
            "..",
            "../../etc/passwd",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        ] {
            assert!(text.parse::<Uid>().is_err(), "{text}");
        }
        assert!(
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
                .parse::<Uid>()
                .is_ok()
        );
    }

    fn with(labels: &[&str], annotations: &[&str]) -> AgentJob {
        let one = |k: &&str| ((*k).to_owned(), "x".to_owned());
        let mut job = AgentJob::new("j", crate::spec::AgentJobSpec::default());
        job.metadata.labels = Some(labels.iter().map(one).collect());
        job.metadata.annotations = Some(annotations.iter().map(one).collect());
        job
    }

    #[test]
    fn what_a_delivery_tool_keeps_in_being_is_known_by_its_marks() {
        let kept = [
            with(&[], &["argocd.argoproj.io/tracking-id"]),
            with(&["argocd.argoproj.io/instance"], &[]),
            with(&["kustomize.toolkit.fluxcd.io/name"], &[]),
            with(&["helm.toolkit.fluxcd.io/name"], &[RELEASE]),
            with(&[INSTANCE], &[]),
        ];
        for job in kept {
            assert!(job.is_kept_by_others(), "{:?}", job.metadata);
        }
        let free = [
            with(&[], &[]),
            with(&["team"], &["note"]),
            with(&[INSTANCE, "app.kubernetes.io/managed-by"], &[RELEASE]),
        ];
        for job in free {
            assert!(!job.is_kept_by_others(), "{:?}", job.metadata);
        }
    }

    #[test]
    fn a_tenant_is_a_label() {
        assert!("client-a".parse::<Tenant>().is_ok());
        for text in ["", "-a", "a-", "A", "a/b", "a.b", &"x".repeat(64)] {
            assert!(text.parse::<Tenant>().is_err(), "{text}");
        }
    }
}
