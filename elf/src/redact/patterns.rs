//! The formats of secrets that can be told by their look: one table, in the order in which they are
//! applied. The formats are published by those who issue them.

/// One format.
#[derive(Clone, Copy)]
pub struct Pattern {
    /// What it is, as it stands in the replacement.
    pub kind: &'static str,
    /// How it looks. The first group, where there is one, is the secret; else the whole is.
    pub regex: &'static str,
    /// What else must hold of the secret.
    pub holds: fn(&str) -> bool,
}

const fn any(_: &str) -> bool {
    true
}

/// Letters and digits: words joined by dashes have no digit, or no letter.
pub(super) fn mixed(secret: &str) -> bool {
    secret.bytes().any(|b| b.is_ascii_digit()) && secret.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Mixed, and in both cases: what a random generator makes, and names seldom are.
fn random(secret: &str) -> bool {
    mixed(secret)
        && secret.bytes().any(|b| b.is_ascii_uppercase())
        && secret.bytes().any(|b| b.is_ascii_lowercase())
}

/// Letters with a digit, or in both cases: of 20 that are drawn, one time in thirty none is a digit.
pub(super) fn drawn(secret: &str) -> bool {
    let both = secret.bytes().any(|b| b.is_ascii_uppercase())
        && secret.bytes().any(|b| b.is_ascii_lowercase());
    both || mixed(secret)
}

/// A value as it is sent, not what stands for one.
fn credential(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    let stands_for = ["your", "token", "example", "placeholder", "secret", "xxx"];
    mixed(secret) || drawn(secret) && !stands_for.iter().any(|w| lower.contains(w))
}

/// A password, not the place of one: `user:password@host` and `${NAME}` in examples are kept.
pub(super) fn no_placeholder(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    let dummy = [
        "password", "pass", "pw", "pwd", "secret", "token", "xxx", "xxxx",
    ];
    let letters = secret.bytes().any(|b| b.is_ascii_alphanumeric());
    letters && !dummy.contains(&lower.as_str()) && !secret.starts_with(['$', '<', '{', '%'])
}

/// Not a checksum, and not the number of something, with what it is before it.
pub(super) fn no_digest(secret: &str) -> bool {
    let known = [
        "sha", "md5", "commit", "rev", "blob", "tree", "build", "id", "hash", "digest", "checksum",
        "etag", "run", "job", "req", "trace", "span", "uuid", "img", "image", "layer", "cache",
        "tmp",
    ];
    let lower = secret.to_lowercase();
    mixed(secret) && !known.iter().any(|word| lower.starts_with(word))
}

pub(super) const fn p(kind: &'static str, regex: &'static str) -> Pattern {
    with(kind, regex, any)
}

pub(super) const fn with(
    kind: &'static str,
    regex: &'static str,
    holds: fn(&str) -> bool,
) -> Pattern {
    Pattern { kind, regex, holds }
}

/// Every format. Those that enclose others come first, those that say least last.
pub const TABLE: &[Pattern] = &[
    p(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    p("age-key", r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{40,}"),
    with(
        "url-password",
        r"\b[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s/:@?#]*:([^\s/]+)@",
        no_placeholder,
    ),
    with(
        "url-token",
        r"\b[a-zA-Z][a-zA-Z0-9+.\-]*://([^\s/:@?#]{20,}):?@",
        mixed,
    ),
    p(
        "slack-webhook",
        r"https://hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_+\-]{20,})",
    ),
    p(
        "discord-webhook",
        r"https://(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/\d+/([A-Za-z0-9_\-]{20,})",
    ),
    p(
        "jwt",
        r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",
    ),
    p(
        "jwt",
        r"\beyJ[A-Za-z0-9_\-]{12,}={0,2}\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    ),
    with(
        "authorization",
        r#"(?i)\bauthorization["'\]]{0,2}\s*[:=]\s*["']?(?:[a-z][a-z0-9_\-]*\s+)?([^\s"',;]{12,})"#,
        credential,
    ),
    with(
        "bearer",
        r"(?i)\bbearer\s+([A-Za-z0-9._~+/=\-]{16,})",
        credential,
    ),
    with(
        "cookie",
        r"(?i)\b(?:set-)?cookie:\s*[A-Za-z0-9_.\-]+=([^\s;]{8,})",
        mixed,
    ),
    with(
        "cookie",
        r"(?i)\b[a-z0-9_]*(?:session|sessionid|sessid)=([A-Za-z0-9%+/_.\-]{24,})",
        mixed,
    ),
    with(
        "header",
        r#"(?i)\b(?:x-[a-z0-9\-]*(?:auth|token|key|secret)[a-z\-]*|jenkins-crumb)["']?\s*[:=]\s*["']?([A-Za-z0-9+/=_.:~\-]{16,})"#,
        mixed,
    ),
    with(
        "credential",
        r#"(?i)\s--?(?:password|passwd|pass|pwd|[a-z\-]*(?:token|secret|api-?key|access-?key))[ =]["']?([^\s"'$%<{\[(]{7,})"#,
        mixed,
    ),
    with(
        "credential",
        r"(?i)(?:^|\s)/(?:pass|password|rp)[: ]([^\s'\x22$%<{]{6,})",
        mixed,
    ),
    p("aws-access-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    p(
        "aws-secret-key",
        r#"(?i)\baws_?(?:secret)?_?(?:access)?_?key["']?\s*(?:=>|[:=])\s*["']?([A-Za-z0-9/+=]{40})\b"#,
    ),
    p(
        "aws-secret-key",
        r#"(?i)\bsecret_?access_?key["']?\s*(?:=>|[:=])\s*["']?([A-Za-z0-9/+=]{40})"#,
    ),
    p("google-api-key", r"\bAIza[0-9A-Za-z_\-]{35}"),
    p("google-oauth", r"\bya29\.[0-9A-Za-z_\-]{20,}"),
    p("google-client-secret", r"\bGOCSPX-[0-9A-Za-z_\-]{28}"),
    p(
        "azure-account-key",
        r"(?i)\bAccountKey=([A-Za-z0-9+/=]{40,})",
    ),
    p(
        "azure-shared-key",
        r"(?i)\bSharedAccessKey=([A-Za-z0-9+/=]{40,})",
    ),
    p("azure-sas", r"(?i)[?&]sig=([A-Za-z0-9%+/=]{30,})"),
    p(
        "azure-client-secret",
        r"\b[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}",
    ),
    p("github-token", r"\bgh[pousr]_[A-Za-z0-9]{36,255}"),
    p("github-token", r"\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    with(
        "gitlab-token",
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_\-.]{20,}",
        drawn,
    ),
    with("slack-token", r"\bxox[abcdeoprs]-[A-Za-z0-9\-]{10,}", drawn),
    p(
        "slack-app-token",
        r"\bxapp-\d-[A-Za-z0-9]+-\d+-[a-f0-9]{16,}",
    ),
    with(
        "stripe-key",
        r"\b[srp]k_(?:live|test|prod)_[A-Za-z0-9_\-]{10,}",
        drawn,
    ),
    p("stripe-webhook", r"\bwhsec_[A-Za-z0-9+/=]{24,}"),
    with("alibaba-access-key", r"\bLTAI[A-Za-z0-9]{12,26}\b", drawn),
    p("cloudflare-key", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{140,160}"),
    p("heroku-token", r"\bHRKU-[A-Za-z0-9_\-]{36,}"),
    with("netlify-token", r"\bnf[pcou]_[A-Za-z0-9]{36,}", drawn),
    p("pulumi-token", r"\bpul-[0-9a-f]{40}\b"),
    with("render-key", r"\brnd_[A-Za-z0-9]{24,}", drawn),
    with("square-token", r"\bEAAA[A-Za-z0-9_\-]{56,}", drawn),
    with(
        "netrc-password",
        r"(?i)\blogin\s+\S+\s+password\s+(\S{6,})",
        no_placeholder,
    ),
    with(
        "sql-password",
        r#"(?i)\bidentified\s+by\s+["']([^"'\s]{6,})["']"#,
        no_placeholder,
    ),
    with(
        "xml-secret",
        r"(?i)<[a-z]*(?:password|secret|token|[a-z]key)>([^<>\s]{6,})</",
        credential,
    ),
    p(
        "xml-secret",
        r"(?i)<[a-z]*password>\s*<value>([^<>\s]{6,})</",
    ),
    p("password-hash", r"\$krb5[a-z]+\$\d+\$[^\s'\x22]{30,}"),
    p(
        "password-hash",
        r"\$(?:1|2[abxy]|5|6|7|8|9|y|argon2(?:id|i|d))\$[A-Za-z0-9./=,+$\-]{20,}",
    ),
    p(
        "dynatrace-token",
        r"\bdt0[a-z]\d{2}\.[A-Z0-9]{8,24}\.[A-Z0-9]{56,64}",
    ),
    p(
        "teams-webhook",
        r"\boffice\.com/webhook(?:b2)?/([A-Za-z0-9@\-]{36,}/IncomingWebhook/[A-Za-z0-9/\-]{32,})",
    ),
    p("npm-token", r"\bnpm_[A-Za-z0-9]{36}"),
    p("pypi-token", r"\bpypi-AgE[A-Za-z0-9_\-]{16,}"),
    p("cargo-token", r"\bcio[A-Za-z0-9]{32}\b"),
    p("rubygems-key", r"\brubygems_[a-f0-9]{48}"),
    p("nuget-key", r"\boy2[a-z0-9]{43}\b"),
    with("anthropic-key", r"\bsk-ant-[A-Za-z0-9_\-]{16,}", drawn),
    with("openrouter-key", r"\bsk-or-[A-Za-z0-9_\-]{20,}", drawn),
    with(
        "openai-key",
        r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{20,}",
        random,
    ),
    p("groq-key", r"\bgsk_[A-Za-z0-9]{40,}"),
    p("xai-key", r"\bxai-[A-Za-z0-9]{60,}"),
    p("perplexity-key", r"\bpplx-[A-Za-z0-9]{40,}"),
    p("huggingface-token", r"\bhf_[A-Za-z0-9]{30,}"),
    p("replicate-token", r"\br8_[A-Za-z0-9]{37}"),
    p("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}"),
    p(
        "sendgrid-key",
        r"\bSG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}",
    ),
    p("twilio-key", r"\bSK[0-9a-f]{32}\b"),
    p("mailgun-key", r"\bkey-[0-9a-f]{32}\b"),
    p("mailchimp-key", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
    with("telegram-token", r"\b\d{8,10}:[A-Za-z0-9_\-]{35}", random),
    p(
        "discord-token",
        r"\b[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,}",
    ),
    p("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    p(
        "square-token",
        r"\bsq0(?:atp|csp|idp)-[0-9A-Za-z_\-]{22,43}",
    ),
    p("docker-token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,}"),
    p("databricks-token", r"\bdapi[a-f0-9]{32}(?:-\d)?\b"),
    p("vault-token", r"\bhv[sbr]\.[A-Za-z0-9_\-]{20,}"),
    p(
        "terraform-token",
        r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{60,}",
    ),
    p("linear-key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    p(
        "notion-token",
        r"\b(?:secret_[A-Za-z0-9]{43,}|ntn_[A-Za-z0-9]{40,})",
    ),
    p("newrelic-key", r"\bNRAK-[A-Z0-9]{27}"),
    p(
        "grafana-token",
        r"\b(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})",
    ),
    p("postman-key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    p("sentry-token", r"\bsntry[su]_[A-Za-z0-9+/=_]{40,}"),
    p("dropbox-token", r"\bsl\.(?:u\.)?[A-Za-z0-9_\-]{60,}"),
    p(
        "doppler-token",
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._\-]{40,}",
    ),
    p(
        "planetscale-token",
        r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.\-]{32,}",
    ),
    p(
        "supabase-token",
        r"\bsb(?:p_[a-f0-9]{40}|_secret_[A-Za-z0-9_\-]{20,})",
    ),
    p("atlassian-token", r"\bATATT3[A-Za-z0-9_\-=]{60,}"),
    p("airtable-token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    p("figma-token", r"\bfigd_[A-Za-z0-9_\-]{40,}"),
    p(
        "artifactory-token",
        r"\b(?:AKCp[A-Za-z0-9]{50,}|cmVmdGtu[A-Za-z0-9]{50,})",
    ),
    with("tailscale-key", r"\btskey-[a-z]+-[A-Za-z0-9\-]{20,}", drawn),
    p("onepassword-token", r"\bops_eyJ[A-Za-z0-9+/=_\-]{50,}"),
    p(
        "ansible-vault",
        r"\$ANSIBLE_VAULT;[\d.]+;[A-Z0-9]+(?:;\w*)?\s+([0-9a-f]{40,}(?:\s+[0-9a-f]{40,})*)",
    ),
    p(
        "onepassword-key",
        r"\bA3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,6}){4,6}\b",
    ),
    p("postman-key", r"\bPMAT-[A-Z0-9]{26}\b"),
    p("zoho-token", r"\b1000\.[0-9a-f]{32}\.[0-9a-f]{32}\b"),
    with(
        "dotted-key",
        r"\b[0-9a-f]{32}\.[A-Za-z0-9_\-]{16,32}\b",
        drawn,
    ),
    with("easypost-key", r"\bEZ[AT]K[A-Za-z0-9]{50,}", mixed),
    with("modal-key", r"\ba[ks]-[A-Za-z0-9]{22}\b", random),
    with("jina-key", r"\bjina_[A-Za-z0-9]{40,}", mixed),
    with("together-key", r"\btgp_v1_[A-Za-z0-9_\-]{40,}", mixed),
    p("asaas-key", r"\$aact_[A-Za-z0-9_]{20,}"),
    p(
        "devcycle-key",
        r"\bdvc_(?:client|mobile|server)_[A-Za-z0-9_]{8,}",
    ),
    p("mercadopago-key", r"\bAPP_USR-[0-9a-f\-]{40,}"),
    p("riot-key", r"\bRGAPI-[a-z0-9\-]{36}"),
    p(
        "dropbox-token",
        r"\b[a-z0-9]{11}AAAAAAAAAA[A-Za-z0-9_\-]{40,}",
    ),
    p(
        "sonar-token",
        r#"(?i)sonar[._]?(?:login|token)["']?\s*[=,:]\s*["']?([0-9a-z_]{40,})"#,
    ),
    with("webhook", r"(?i)/hooks/([A-Za-z0-9]{20,})", mixed),
    with(
        "device-token",
        r"(?i)/api/v1/([A-Za-z0-9]{20})/(?:telemetry|attributes|rpc)",
        mixed,
    ),
    with(
        "docker-auth",
        r#"(?i)["']auth["']\s*:\s*["']([A-Za-z0-9+/=]{16,})["']"#,
        drawn,
    ),
    p(
        "sealed-secret",
        r#"(?i)\bsecure:\s*["']?([A-Za-z0-9+/=\\\s]{100,})"#,
    ),
    with(
        "credential",
        r#"(?i)\bconvertto-securestring\s+(?:-string\s+)?["']([^"'$]{6,})["']"#,
        no_placeholder,
    ),
    with(
        "credential",
        r#"(?i)\b(?:networkcredential(?:\]::new)?|mysqli?_connect|mysqli|dbi(?:->|\.)connect)\(\s*(?:["'][^"']*["']\s*,\s*){1,2}["']([^"']{6,})["']"#,
        mixed,
    ),
    with(
        "credential",
        r"(?i)\b(?:enable (?:password|secret)(?: \d)?|snmp-server community) (\S{6,})",
        mixed,
    ),
    // A word for a key, and the number of one: vendors' own prefixes are too many to list.
    p(
        "prefixed-key",
        r"(?i)\b(?:[a-z]{0,8}(?:sk|pk|pat|api|key|tok|at|ovsxp)\d{0,2})[_\-](?:[a-z0-9]{2,8}[_\-]){0,2}[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    ),
    with(
        "prefixed-key",
        r"\b[A-Za-z][A-Za-z0-9]{1,11}_(?:[A-Za-z0-9]{2,8}_)?[0-9a-f]{32,128}(?:_[0-9a-f]{8,10})?\b",
        no_digest,
    ),
    with(
        "prefixed-key",
        r"\b(?:sk|pk|rk|bpk|cr|tk|ico|key|PRIVATE|xkeysib)-(?:[a-z]{2}-)?[0-9a-f]{32,128}(?:-[A-Za-z0-9]{8,20})?\b",
        mixed,
    ),
    with(
        "prefixed-key",
        r"\b[a-z]{2,8}_(?:live|test|prod|sandbox|pat|key|secret|token)_[A-Za-z0-9]{14,}",
        random,
    ),
    with(
        "prefixed-key",
        r"\b(?:key|tok|token|secret)_[0-9a-f]{24,}\b",
        mixed,
    ),
];
