//! `RunnerHost`: a machine elsewhere that runs attempts for a cluster, and what is known of it. Nothing here reaches it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    spec::{BackendName, is_false},
    status::bounded,
};

/// How a remote host is reached and trusted. Its labels, by which jobs choose among hosts, are those of the object.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "multiagent.dev",
    version = "v1alpha1",
    kind = "RunnerHost",
    namespaced,
    status = "RunnerHostStatus",
    shortname = "rh",
    category = "runners",
    derive = "PartialEq",
    doc = "A machine outside of the cluster that runs attempts of jobs in its tmux or its containers.",
    selectable = ".spec.address",
    selectable = ".spec.unschedulable",
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".spec.address"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Free","type":"integer","description":"Attempts it can begin now","jsonPath":".status.freeSlots"}"#,
    printcolumn = r#"{"name":"Slots","type":"integer","jsonPath":".status.slots"}"#,
    printcolumn = r#"{"name":"Seen","type":"date","description":"When it answered last","jsonPath":".status.lastSeenAt"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.address == oldSelf.address").message("address cannot be changed, for work may be going on there; make another RunnerHost").field_path(".address"))]
pub struct RunnerHostSpec {
    /// Where it serves, over TLS: `host:port`, an address of IPv6 in brackets.
    #[schemars(length(min = 3, max = 260))]
    #[x_kube(validation = Rule::new("self.matches('^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535").message("address must be like vps-1.example.org:8443, with no https:// before it and no path behind it"))]
    pub address: String,
    /// What its certificate is known by. No authority is asked.
    pub certificate: PinnedCertificate,
    /// Where the token for it is kept.
    pub credentials: SecretKey,
    /// Most attempts at once; as many as the host offers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub slots: Option<u32>,
    /// Nothing new is begun there; what runs goes on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unschedulable: bool,
}

/// Exactly one way to know a certificate.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.spkiSha256) != has(self.pem)").message("exactly one of spkiSha256 and pem must be set"))]
pub struct PinnedCertificate {
    /// The SHA-256 of the certificate's public key (SPKI) in base64; two while it is being changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 2), inner(length(min = 1, max = 64)), transform = each_is_a_pin)]
    pub spki_sha256: Vec<String>,
    /// The certificate itself, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    #[x_kube(validation = Rule::new("self.startsWith('-----BEGIN CERTIFICATE-----')").message("pem must begin with -----BEGIN CERTIFICATE-----"))]
    #[x_kube(validation = Rule::new("!self.contains('PRIVATE KEY')").message("pem must not hold a private key, which stays on the host"))]
    pub pem: Option<String>,
}

fn each_is_a_pin(schema: &mut schemars::Schema) {
    let rule = serde_json::json!([{
        "rule": "self.matches('^[A-Za-z0-9+/]{43}=$')",
        "message": "a pin must be 32 bytes in base64: 43 characters and ="
    }]);
    if let Some(items) = schema.get_mut("items") {
        items["x-kubernetes-validations"] = rule;
    }
}

/// A value in a secret of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// The secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')").message("secretName must be the name of a secret in this namespace"))]
    pub secret_name: String,
    /// The key in it.
    #[serde(default = "token")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9._-]+$')").message("key must be of letters, digits, -, _ and ."))]
    pub key: String,
}

fn token() -> String {
    "token".to_owned()
}

/// What is known of a remote host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunnerHostStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: True while it answers and what it says of itself is trusted; with a reason and a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), transform = bounded, extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When it answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// How many attempts it takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// How many it can begin now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_slots: Option<u32>,
    /// The places it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub backends: Vec<BackendName>,
    /// The release that runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub release: Option<String>,
}
