//! What the gate lets through, as pure functions of a request. Everything else is refused.

use std::path::Path;

use axum::http::{Method, Uri};
use serde_json::{Value, json};

use super::Places;

const NOT_OURS: &str = "it is no call that container jobs need";
const NOT_HARD: &str = "it asks for more than a container of a seat may have";

/// What has to be the case besides.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The call is let through.
    Nothing,
    /// The container it is about must be one of a seat.
    Seat(String),
    /// What is shown depends on whose the container is.
    Shown,
}

/// What is known beforehand.
pub(super) struct Rules {
    pub places: Places,
}

impl Rules {
    /// What a call needs.
    ///
    /// # Errors
    /// It is refused, and why.
    pub fn need(&self, method: &Method, uri: &Uri, body: &Value) -> Result<Need, &'static str> {
        let path = unversioned(uri.path());
        // An encoded slash would make two parts of one.
        if path.contains('%') && !path.starts_with("/images/") {
            return Err(NOT_OURS);
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let query = uri.query().unwrap_or_default();
        match (method.as_str(), &parts[..]) {
            ("GET" | "HEAD", ["_ping" | "version" | "events"] | ["containers", "json"])
            | ("GET", ["networks", _] | ["images", .., "json"]) => Ok(Need::Nothing),
            ("POST", ["images", "create"]) if is_pull(query) => Ok(Need::Nothing),
            ("POST", ["containers", "create"]) => self.create(query, body),
            ("POST", ["networks", "create"]) => network(body),
            ("GET", ["containers", _, "json"]) => Ok(Need::Shown),
            ("GET", ["containers", id, "logs"])
            | ("POST", ["containers", id, "start" | "kill" | "stop" | "wait"])
            | ("DELETE", ["containers", id]) => Ok(Need::Seat((*id).to_owned())),
            _ => Err(NOT_OURS),
        }
    }

    fn create(&self, query: &str, asked: &Value) -> Result<Need, &'static str> {
        let named = query.split('&').filter(|q| *q != "platform=");
        let named = named.collect::<Vec<_>>();
        let named = matches!(named[..], [name] if name.starts_with("name=aj-"));
        let hard = named && bare(asked) && hardened(&asked["HostConfig"]) && self.mounted(asked);
        if hard {
            Ok(Need::Nothing)
        } else {
            Err(NOT_HARD)
        }
    }

    /// Folders of the server's own volumes, and nothing of the machine.
    fn mounted(&self, asked: &Value) -> bool {
        let mounts = asked["HostConfig"]["Mounts"].as_array();
        mounts.into_iter().flatten().all(|mount| {
            let source = mount["Source"].as_str().unwrap_or_default();
            let keys = only(
                mount,
                &["Type", "Source", "Target", "ReadOnly", "BindOptions"],
            );
            let options = only(&mount["BindOptions"], &["Propagation"])
                && ["rprivate", "rslave"]
                    .iter()
                    .any(|p| mount["BindOptions"]["Propagation"] == *p);
            keys && options && mount["Type"] == "bind" && self.places.holds(Path::new(source))
        })
    }
}

/// An image of a registry; not one that is made of a file or an address.
fn is_pull(query: &str) -> bool {
    let known = ["fromImage", "tag", "platform"];
    let keys = query.split('&').filter_map(|q| q.split('=').next());
    keys.filter(|k| !k.is_empty()).all(|k| known.contains(&k))
}

/// A path without `/v1.41` before it.
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").and_then(|p| p.split_once('/'));
    match rest {
        Some((version, _)) if version.bytes().all(|b| b.is_ascii_digit()) => {
            &path["/v1.".len() + version.len()..]
        }
        _ => path,
    }
}

/// A container of a seat, of a user that is not root.
fn bare(asked: &Value) -> bool {
    let known = [
        "Image",
        "Cmd",
        "User",
        "WorkingDir",
        "Env",
        "Labels",
        "HostConfig",
        "Tty",
        "OpenStdin",
    ];
    let user = asked["User"].as_str().unwrap_or_default();
    let is_user = |id: &str| id.parse::<u32>().is_ok_and(|id| id > 0);
    let ids = user.split_once(':');
    let labelled = asked["Labels"][super::SEAT_LABEL].is_string();
    only(asked, &known) && labelled && ids.is_some_and(|(u, g)| is_user(u) && is_user(g))
}

/// Exactly the hardening that every container of a seat has; no key that this list does not have.
fn hardened(host: &Value) -> bool {
    let fixed = [
        ("ReadonlyRootfs", json!(true)),
        ("Privileged", json!(false)),
        ("CapDrop", json!(["ALL"])),
        ("SecurityOpt", json!(["no-new-privileges"])),
        ("IpcMode", json!("private")),
        ("AutoRemove", json!(false)),
    ];
    let free = [
        "Mounts",
        "Tmpfs",
        "NetworkMode",
        "PidsLimit",
        "Memory",
        "MemorySwap",
        "NanoCpus",
        "RestartPolicy",
        "LogConfig",
    ];
    let known: Vec<&str> = free
        .into_iter()
        .chain(fixed.iter().map(|(k, _)| *k))
        .collect();
    let network = host["NetworkMode"].as_str().unwrap_or_default();
    let bounded = ["PidsLimit", "Memory", "NanoCpus"]
        .iter()
        .all(|k| host[k].as_i64() > Some(0));
    only(host, &known)
        && fixed.iter().all(|(key, value)| host[key] == *value)
        && (network == "none" || network.starts_with("sandbox-"))
        && host["LogConfig"]["Type"] == "json-file"
        && host["RestartPolicy"]["Name"] == "no"
        && bounded
}

/// A bridge of ours on which containers do not reach each other.
fn network(asked: &Value) -> Result<Need, &'static str> {
    let name = asked["Name"].as_str().unwrap_or_default();
    let fine = only(asked, &["Name", "Driver", "Options", "Labels"])
        && name.starts_with("sandbox-")
        && asked["Driver"] == "bridge"
        && asked["Options"] == json!({"com.docker.network.bridge.enable_icc": "false"});
    if fine {
        Ok(Need::Nothing)
    } else {
        Err(NOT_HARD)
    }
}

/// Whether an object has no other keys; one that is absent has none.
fn only(object: &Value, known: &[&str]) -> bool {
    match object.as_object() {
        Some(object) => object
            .iter()
            .all(|(k, v)| v.is_null() || known.contains(&k.as_str())),
        None => object.is_null(),
    }
}

#[cfg(test)]
mod tests;
