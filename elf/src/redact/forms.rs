//! The formats of secrets that are told by what stands around them, or by more than one part: lines of commands and of
//! settings, strings that connect, keys of several parts. One table, as in [`super::patterns`], and applied before it.

use super::look::is_made;
use super::patterns::{Pattern, drawn, mixed, no_digest, no_placeholder, p, with};

/// Letters among what is no number of a port: `-p 8080:80` is no password.
fn worded(secret: &str) -> bool {
    let letters = secret.bytes().any(|b| b.is_ascii_alphabetic());
    letters && !secret.contains([':', '/']) && no_placeholder(secret)
}

/// Every one of them.
pub const TABLE: &[Pattern] = &[
    // Of several parts.
    p("onepassword-key", r"\b1PRK(?:-[A-Z0-9]{4}){8,}\b"),
    p(
        "asana-token",
        r"\b[0-2]/\d{12,20}(?:/\d{12,20})?:[0-9a-f]{32}\b",
    ),
    with(
        "airtable-token",
        r"\b[A-Za-z0-9]{6,}\.v1\.[A-Za-z0-9_\-]{8,}\.[0-9a-f]{12,}\b",
        mixed,
    ),
    p(
        "authress-key",
        r"\bsc_[A-Za-z0-9]{5,}\.[A-Za-z0-9]{3,}\.acc[_\-][A-Za-z0-9\-]{8,}\.[A-Za-z0-9+/_=\-]{30,}",
    ),
    p(
        "azure-registry-key",
        r"\b[A-Za-z0-9+/]{40,}\+ACR[A-Za-z0-9+/]{6}\b",
    ),
    p(
        "convex-key",
        r"\b(?:dev|prod|preview|project):[A-Za-z0-9:_\-]{3,}(?:\||%7C)[A-Za-z0-9+/=_.\-]{20,}",
    ),
    p("maxmind-key", r"\b[A-Za-z0-9]{6}_[A-Za-z0-9]{28,30}_mmk\b"),
    p(
        "salesforce-token",
        r"\b00D[A-Za-z0-9]{9,15}![A-Za-z0-9._]{60,}",
    ),
    with("posthog-key", r"\bph[acrsx]_[A-Za-z0-9]{40,}\b", mixed),
    p(
        "unleash-token",
        r"(?:\*|\[\]|\b[a-z0-9_\-]{1,40}):[a-z0-9_\-]{1,40}\.[0-9a-f]{50,64}\b",
    ),
    p("unleash-token", r"\buser:[0-9a-f]{40,64}\b"),
    p("pubnub-key", r"\bsec-c-[A-Za-z0-9+/=\-]{32,}"),
    with("prefixed-key", r"\b[a-z]{2,8}_[a-z0-9]{56,}\b", no_digest),
    // In settings and in code.
    p(
        "seed-phrase",
        r#"(?i)(?:mnemonic|(?:seed|recovery|backup)[_ \-]?(?:phrase|words))[a-z_]{0,8}["']?\s*(?:[:=]|\bis\b)\s*["']?((?:[a-z]{3,8} ){11}(?:(?:[a-z]{3,8} ){3}){0,4}[a-z]{3,8})\b"#,
    ),
    p(
        "private-key",
        r#"(?i)private_?key[a-z]{0,16}["']?(?:\s*[:=]\s*|\()["']?((?:0x)?[0-9a-f]{64})\b"#,
    ),
    p(
        "keyset",
        r#""keyData"\s*:\s*\{[^{}]*"value"\s*:\s*"([^"\s]{4,})""#,
    ),
    with(
        "credential",
        r#"(?i)["'][a-z0-9_]*(?:secret|password|passwd|token|api_?key)[a-z0-9_]*["']\s*,\s*["']([^"'\s]{10,})["']"#,
        is_made,
    ),
    with(
        "credential",
        r#"(?i)\b(?:user ?(?:id|name)?|uid)\s*=\s*[^;"'\n]{1,80};[^\n]{0,20}?\b(?:password|pwd)\s*=\s*([^;"'\s]{4,})"#,
        no_placeholder,
    ),
    with(
        "credential",
        r#"\bBUNDLE_[A-Z0-9_]+__[A-Z]{2,}["']?\s*[:=]\s*["']?([^\s"':]{4,}:[^\s"']{6,})"#,
        mixed,
    ),
    p("saved-password", r"(?i)\bpassword\s*51:b:([0-9a-f]{32,})"),
    p(
        "node-key",
        r"(?i)\b[a-z0-9.\-]*(?:infura|alchemy|alchemyapi|quiknode|blastapi|getblock|ankr|chainstack)\.(?:io|com|pro|us)/(?:[a-z0-9_\-]{1,16}/){0,3}([a-z0-9_\-]{32,})",
    ),
    // Beside commands.
    with(
        "credential",
        r"(?i)\b(?:key|key-string|password|secret|community) [0-9] ([A-Za-z0-9$./!@#%^&*+=_\-]{6,})",
        mixed,
    ),
    with(
        "credential",
        r#"(?i)\b(?:psexec(?:64)?(?:\.exe)?|paexec|smbclient|winexe|sshpass|plink|pscp|wmiexec)\b[^\n]*?\s-p\s*["']?([^\s"'$%<{]{5,})"#,
        worded,
    ),
    with(
        "credential",
        r"(?i)\bnet\s+use\s[^\n]*?/user:\S+\s+([^\s/$%<{]{6,})",
        no_placeholder,
    ),
    with("credential", r#"\s--?key[ =]["']?([0-9a-f]{32,})\b"#, drawn),
];
