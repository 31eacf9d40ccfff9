//! Secrets that belong to tenants and are asked for by their names, where runners share no folder with us. What they hold
//! goes to the runner that needs it, and is written down nowhere.

use async_trait::async_trait;
use sandbox_core::{
    Tenant,
    port::{Answer, PortError},
};
use secrecy::SecretString;

/// Where they are.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// What this secret of this tenant holds.
    ///
    /// # Errors
    /// `NotFound` when there is none, with the command that makes it; `Refused` when it may not be read; `Unknown` when
    /// nobody can say now.
    async fn read(&self, tenant: &Tenant, name: &str) -> Answer<SecretString>;

    /// Whether it is there. What it holds is not asked for.
    ///
    /// # Errors
    /// As [`Secrets::read`].
    async fn find(&self, tenant: &Tenant, name: &str) -> Answer<()>;
}

/// Whether this can be a secret's name beneath a tenant's: parts of plain characters, none of which leads elsewhere.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=.@-".contains(c);
    let part =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    name.len() <= 253 && name.split('/').all(part)
}

/// A name that is none.
///
/// # Errors
/// Always: `NotFound`, with what a name is.
pub fn unnamed<T>(name: &str) -> Answer<T> {
    Err(PortError::NotFound(format!(
        "find the secret {name:?}: {A_NAME}"
    )))
}

/// What a name has to be.
pub const A_NAME: &str = "a name has letters, digits and _+=.@- with single slashes between them";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["github", "git/hub", "a.b-c_d+e=f@g"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(254);
        for odd in [
            "",
            "../team-b/x",
            "a//b",
            "/a",
            "a/",
            "a/../b",
            "a b",
            "a:b",
            "arn:aws:x",
            "ä",
            &long,
        ] {
            assert!(!is_name(odd), "{odd}");
        }
    }
}
