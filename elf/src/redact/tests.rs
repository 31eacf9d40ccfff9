//! One sample of each format, and ordinary rules that must stay as they are. Samples are put
//! together when the test runs, so that no scanner takes this file for a leak.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

mod forms;

use super::*;

const LOWER: &str = "q7w3e9r1t5y2u8i4o6p0a7s3d9f1g5h2j8k4l6z0x7c3v9b1n5m2";
const MIXED: &str =
    "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kL9nP2rS5uV8xY1zA4cD7fG0iJ3lM6oQ9qR2tU5wX8yZ1bB4d";
const UPPER: &str = "Q7W3E9R1T5Y2U8I4O6P0A7S3D9F1G5H2J8K4L6Z0X7C3V9B1N5M2QQ7W3E9R1T5Y2";
const HEX: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const DIGITS: &str = "12345678901234567890";

fn mixed(n: usize) -> &'static str {
    &MIXED[..n]
}

fn hex(n: usize) -> &'static str {
    &HEX[..n]
}

/// The kind that is expected, and a secret of it; what stands around it is cut off by `|`.
fn samples() -> Vec<(&'static str, String)> {
    let mut all = tokens();
    all.extend(services());
    all.extend(prefixed());
    all.extend(vendors());
    all.extend(enclosed());
    all.extend(typed());
    all.extend(valued());
    all.extend(named());
    all.extend(forms::samples());
    all
}

fn tokens() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        ("aws-access-key", format!("AKIA{}", &UPPER[..16])),
        ("google-api-key", format!("AIza{}", m(35))),
        ("google-oauth", format!("ya29.{}", m(60))),
        ("google-client-secret", format!("GOCSPX-{}", m(28))),
        ("azure-client-secret", format!("abC8Q~{}", m(34))),
        ("github-token", format!("ghp_{}", m(36))),
        ("github-token", format!("gho_{}", m(36))),
        ("github-token", format!("ghs_{}", m(36))),
        ("github-token", format!("github_pat_{}_{}", m(22), m(59))),
        ("gitlab-token", format!("glpat-{}", m(20))),
        (
            "slack-token",
            format!("xoxb-{}-{}-{}", &DIGITS[..12], &DIGITS[..12], m(24)),
        ),
        (
            "slack-app-token",
            format!("xapp-1-A{}-{}-{}", &UPPER[..10], &DIGITS[..13], h(64)),
        ),
        ("stripe-key", format!("sk_live_{}", m(24))),
        ("stripe-key", format!("rk_test_{}", m(24))),
        ("stripe-webhook", format!("whsec_{}", m(32))),
        ("npm-token", format!("npm_{}", m(36))),
        ("pypi-token", format!("pypi-AgE{}", m(80))),
        ("cargo-token", format!("cio{}", m(32))),
        ("rubygems-key", format!("rubygems_{}", h(48))),
        ("nuget-key", format!("oy2{}", &LOWER[..43])),
        ("anthropic-key", format!("sk-ant-api03-{}", m(80))),
        ("openrouter-key", format!("sk-or-v1-{}", h(64))),
        ("openai-key", format!("sk-proj-{}", m(48))),
        ("openai-key", format!("sk-{}", m(48))),
        ("groq-key", format!("gsk_{}", m(52))),
        ("xai-key", format!("xai-{}", m(80))),
        ("perplexity-key", format!("pplx-{}", m(48))),
        ("huggingface-token", format!("hf_{}", m(34))),
        ("replicate-token", format!("r8_{}", m(37))),
    ]
}

fn services() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        ("digitalocean-token", format!("dop_v1_{}", h(64))),
        ("sendgrid-key", format!("SG.{}.{}", m(22), m(43))),
        ("twilio-key", format!("SK{}", h(32))),
        ("mailgun-key", format!("key-{}", h(32))),
        ("mailchimp-key", format!("{}-us12", h(32))),
        ("telegram-token", format!("{}:AA{}", &DIGITS[..10], m(33))),
        ("discord-token", format!("M{}.{}.{}", m(23), m(6), m(27))),
        ("shopify-token", format!("shpat_{}", h(32))),
        ("square-token", format!("sq0atp-{}", m(22))),
        ("docker-token", format!("dckr_pat_{}", m(27))),
        ("databricks-token", format!("dapi{}", h(32))),
        ("vault-token", format!("hvs.{}", m(24))),
        ("terraform-token", format!("{}.atlasv1.{}", m(14), m(67))),
        ("linear-key", format!("lin_api_{}", m(40))),
        ("notion-token", format!("secret_{}", m(43))),
        ("notion-token", format!("ntn_{}", m(46))),
        ("newrelic-key", format!("NRAK-{}", &UPPER[..27])),
        ("grafana-token", format!("glsa_{}_{}", m(32), h(8))),
        ("postman-key", format!("PMAK-{}-{}", h(24), h(34))),
        ("sentry-token", format!("sntrys_{}", m(60))),
        ("dropbox-token", format!("sl.{}", m(80))),
        ("doppler-token", format!("dp.pt.{}", m(43))),
        ("planetscale-token", format!("pscale_tkn_{}", m(43))),
        ("supabase-token", format!("sbp_{}", h(40))),
        ("atlassian-token", format!("ATATT3{}", m(80))),
        ("airtable-token", format!("pat{}.{}", m(14), h(64))),
        ("figma-token", format!("figd_{}", m(40))),
        ("artifactory-token", format!("AKCp{}", m(69))),
        ("tailscale-key", format!("tskey-auth-{}", m(40))),
        ("onepassword-token", format!("ops_eyJ{}", m(80))),
        ("age-key", format!("AGE-SECRET-KEY-1{}", &UPPER[..58])),
        ("jwt", format!("eyJ{}.eyJ{}.{}", m(20), m(40), m(43))),
    ]
}

fn prefixed() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        ("alibaba-access-key", format!("LTAI5t{}", m(18))),
        (
            "cloudflare-key",
            format!("v1.0-{}-{}", h(24), h(64).repeat(3).split_at(146).0),
        ),
        ("heroku-token", format!("HRKU-AA{}", m(58))),
        ("netlify-token", format!("nfp_{}", m(36))),
        ("pulumi-token", format!("pul-{}", h(40))),
        ("render-key", format!("rnd_{}", m(28))),
        ("square-token", format!("EAAA{}", m(60))),
        (
            "dynatrace-token",
            format!(
                "dt0c01.{0}.{0}{0}{1}",
                "ABCDEFGH234567ABCDEFGH23", "ABCDEFGH234567AB"
            ),
        ),
        ("prefixed-key", format!("sqp_{}", h(40))),
        ("prefixed-key", format!("ab_pt_{}_{}", h(32), h(10))),
        ("prefixed-key", format!("sk-{}", h(32))),
        (
            "riot-key",
            "RGAPI-0b1c2d3e-1111-4222-8333-0123456789ab".to_owned(),
        ),
        (
            "prefixed-key",
            "ovsxp_0b1c2d3e-1111-4222-8333-0123456789ab".to_owned(),
        ),
        ("prefixed-key", format!("tk-us-{}", h(48))),
        ("prefixed-key", format!("flb_live_{}", m(20))),
        ("prefixed-key", format!("key_{}", h(28))),
    ]
}

fn vendors() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        ("age-key", format!("AGE-SECRET-KEY-PQ-1{}", &UPPER[..58])),
        (
            "ansible-vault",
            format!("$ANSIBLE_VAULT;1.2;AES256; |{}|", h(64)),
        ),
        (
            "onepassword-key",
            "A3-R69SQK-TZ9KPW-8MXYD-6W373-V7GHJ-EDJQW".to_owned(),
        ),
        ("postman-key", format!("PMAT-{}", &UPPER[..26])),
        ("zoho-token", format!("1000.{0}.{0}", h(32))),
        ("dotted-key", format!("{}.{}", h(32), m(16))),
        (
            "slack-token",
            format!("xoxc-{}-{}-{}", &DIGITS[..10], &DIGITS[..13], h(64)),
        ),
        ("easypost-key", format!("EZAK{}", m(54))),
        ("modal-key", format!("as-{}", m(22))),
        ("jina-key", format!("jina_{}{}", h(32), m(28))),
        ("together-key", format!("tgp_v1_{}", m(43))),
        ("asaas-key", format!("ASAAS_API_KEY=|$aact_prod_{}|", m(30))),
        ("devcycle-key", "dvc_server_abc12345".to_owned()),
        (
            "mercadopago-key",
            format!(
                "APP_USR-{}-040126-{}-{}",
                &DIGITS[..16],
                h(32),
                &DIGITS[..10]
            ),
        ),
        (
            "dropbox-token",
            format!("{}AAAAAAAAAA{}", &LOWER[..11], m(43)),
        ),
        (
            "dynatrace-token",
            format!("dt0s02.ABCDEF1H.{}", "ABCDEFGH234567AB".repeat(4)),
        ),
        ("telegram-token", format!("{}:{}", &DIGITS[..10], m(35))),
        ("jwt", format!("eyJ{}.{}.{}", m(20), m(30), m(40))),
        (
            "password-hash",
            format!("$krb5asrep$23$|user@domain.example:{}${}|", h(32), h(64)),
        ),
    ]
}

/// What people type: beside commands, in calls, in headers and in files of other programs.
fn typed() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        (
            "credential",
            "mysql -u root --password |Pr0d!x77|".to_owned(),
        ),
        ("credential", format!("app login --api-key |{}|", m(20))),
        (
            "credential",
            "cmdkey /user:admin /pass:|Passw0rt!|".to_owned(),
        ),
        (
            "credential",
            "ConvertTo-SecureString '|MyS3cret!|' -AsPlainText".to_owned(),
        ),
        (
            "credential",
            "mysqli_connect('db.internal', 'admin', '|Passw0rt|', 'mydb')".to_owned(),
        ),
        ("credential", "enable password |MyS3cretPass|".to_owned()),
        ("header", format!("X-Example-Auth: |{}|", m(30))),
        ("header", format!("-H 'Jenkins-Crumb:|{}|'", h(32))),
        ("cookie", format!("_gitlab_session=|{}|", h(32))),
        (
            "webhook",
            format!("https://chat.example/hooks/|{}|", &LOWER[..26]),
        ),
        (
            "device-token",
            format!("https://things.example/api/v1/|{}|/telemetry", &LOWER[..20]),
        ),
        ("docker-auth", format!("{{\"auth\": \"|{}|\"}}", m(28))),
        ("sonar-token", format!("-Dsonar.login=|{}|", h(40))),
        (
            "sealed-secret",
            format!("- secure: \"|{}|\"", m(80).repeat(2)),
        ),
        (
            "authorization",
            format!("headers['Authorization'] = 'Basic |{}|'", m(28)),
        ),
        (
            "xml-secret",
            "<Password><Value>|Pla1nText|</Value></Password>".to_owned(),
        ),
        ("named-secret", "as400.pass=|r4ndPassw0rt|".to_owned()),
    ]
}

fn enclosed() -> Vec<(&'static str, String)> {
    let m = mixed;
    vec![
        (
            "private-key",
            format!(
                "-----BEGIN RSA {0} KEY-----\n{1}\n{1}\n-----END RSA {0} KEY-----",
                "PRIVATE",
                m(64)
            ),
        ),
        (
            "url-password",
            format!("postgres://admin:|{}|@db.example:5432/app", "hunter2!x"),
        ),
        (
            "url-password",
            format!("mongodb+srv://svc:|{}|@cluster0.example/", &LOWER[..12]),
        ),
        ("url-token", format!("https://|{}|@git.example/a/b", m(40))),
        (
            "slack-webhook",
            format!(
                "https://hooks.slack.com/services/|T{}/B{}/{}|",
                &UPPER[..8],
                &UPPER[..8],
                m(24)
            ),
        ),
        (
            "discord-webhook",
            format!(
                "https://discord.com/api/webhooks/{}/|{}|",
                &DIGITS[..18],
                m(68)
            ),
        ),
        ("authorization", format!("Authorization: Basic |{}|", m(20))),
        (
            "authorization",
            format!("-H 'authorization: token |{}|'", m(20)),
        ),
        ("bearer", format!("curl with Bearer |{}| worked", m(30))),
    ]
}

fn valued() -> Vec<(&'static str, String)> {
    let m = mixed;
    vec![
        ("cookie", format!("Set-Cookie: sid=|{}|; HttpOnly", m(20))),
        (
            "aws-secret-key",
            format!("aws_secret_access_key = |{}|", m(40)),
        ),
        (
            "aws-secret-key",
            format!("secretAccessKey: \"|{}|\"", m(40)),
        ),
        (
            "azure-account-key",
            format!("AccountName=x;AccountKey=|{}==|;", m(84)),
        ),
        ("azure-shared-key", format!("SharedAccessKey=|{}=|", m(43))),
        (
            "azure-sas",
            format!("https://x.example/c?sv=2020&sig=|{}|", m(43)),
        ),
    ]
}

fn named() -> Vec<(&'static str, String)> {
    let m = mixed;
    vec![
        ("named-secret", "password=|correcthorse|".to_owned()),
        ("named-secret", "DB_PASSWORD: |hunter2!x99|".to_owned()),
        ("named-secret", "api_key = '|abcdefghij|'".to_owned()),
        ("named-secret", "client_secret=|zz9pluralzalpha|".to_owned()),
        (
            "named-secret",
            "\"private_key\": \"|k3y-m4t3r14l|\"".to_owned(),
        ),
        ("named-secret", format!("DEEPGRAM_KEY=|{}|", &HEX[..32])),
        (
            "named-secret",
            format!("the access key |{}| was old", &HEX[..32]),
        ),
        ("named-secret", "jdbc:x?user=a&password=|s3cr3t|".to_owned()),
        ("named-secret", "password: |TshMGygMggqMz|".to_owned()),
        (
            "netrc-password",
            "machine a.example login me password |012345abcdef|".to_owned(),
        ),
        (
            "sql-password",
            "CREATE USER 'a'@'%' IDENTIFIED BY '|hunter2x|'".to_owned(),
        ),
        ("password-hash", format!("|$6$abcd1234${}|", m(40))),
        (
            "teams-webhook",
            format!(
                "https://x.webhook.office.com/webhookb2/|{0}@{0}/IncomingWebhook/{1}/{0}|",
                "0b1c2d3e-1111-4222-8333-0123456789ab",
                hex(32)
            ),
        ),
        (
            "xml-secret",
            "<password>|Pr0d_D3pl0y!|</password>".to_owned(),
        ),
        (
            "url-password",
            "mysql://app:|m42p!o@2wd|@db.example:3306/x".to_owned(),
        ),
        ("gitlab-token", "glpat-StoPXuRrEGyNnDllNzpA".to_owned()),
        ("high-entropy", format!("it printed |{}| once", m(32))),
        (
            "high-entropy",
            format!("it printed |{}| once", &LOWER[..40]),
        ),
    ]
}

fn redactor() -> Redactor {
    Redactor::new("key")
}

#[test]
fn every_pattern_compiles_and_has_a_sample() {
    for pattern in tables() {
        Regex::new(pattern.regex).unwrap();
        let sampled = samples().iter().any(|(kind, _)| *kind == pattern.kind);
        assert!(sampled, "no sample of {}", pattern.kind);
    }
    assert_eq!(COMPILED.len(), tables().count());
}

#[test]
fn a_secret_of_each_format_is_taken_out_and_named() {
    for (kind, sample) in samples() {
        let parts: Vec<&str> = sample.split('|').collect();
        let secret = if parts.len() == 3 { parts[1] } else { &sample };
        let text = format!(
            "The deploy failed with {} in the log.",
            sample.replace('|', "")
        );
        let clean = redactor().clean(&text);
        assert!(!clean.contains(secret), "{kind}: {clean}");
        assert!(
            clean.contains(&format!("[redacted:{kind}:")),
            "{kind}: {clean}"
        );
        assert!(
            clean.starts_with("The deploy failed with ") && clean.ends_with(" in the log."),
            "{clean}"
        );
    }
}

#[test]
fn cleaning_twice_changes_nothing() {
    for (_, sample) in samples() {
        let once = redactor().clean(&sample.replace('|', ""));
        assert_eq!(redactor().clean(&once), once);
    }
}

#[test]
fn equal_secrets_stay_equal_and_only_under_the_same_key() {
    let text = |t: &str| format!("token {t} here");
    let (one, two) = (
        text(&format!("ghp_{}", mixed(36))),
        text(&format!("ghs_{}", mixed(36))),
    );
    assert_eq!(redactor().clean(&one), redactor().clean(&one));
    assert_ne!(redactor().clean(&one), redactor().clean(&two));
    assert_ne!(redactor().clean(&one), Redactor::new("other").clean(&one));
}

#[test]
fn ordinary_rules_stay_as_they_are() {
    let rules = include_str!("ordinary.txt");
    let rules: Vec<&str> = rules.lines().filter(|l| !l.is_empty()).collect();
    assert!(rules.len() >= 60, "{}", rules.len());
    let changed: Vec<String> = rules
        .iter()
        .map(|rule| (rule, redactor().clean(rule)))
        .filter(|(rule, clean)| clean != *rule)
        .map(|(rule, clean)| format!("{rule}\n  -> {clean}"))
        .collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn a_private_key_that_was_cut_off_is_taken_out_to_the_end() {
    let text = format!("saw -----BEGIN {} KEY-----\n{}", "PRIVATE", mixed(60));
    let clean = redactor().clean(&text);
    assert!(
        clean.starts_with("saw [redacted:private-key:") && !clean.contains(mixed(20)),
        "{clean}"
    );
}

#[test]
fn a_message_is_its_first_line_without_secrets_at_most_160_characters() {
    let long = format!(
        "\n\n  Error:\tlogin with password=hunter22x failed {}\nsecond",
        "x ".repeat(200)
    );
    let message = redactor().message(&long).unwrap();
    assert!(
        message.starts_with("Error: login with password=[redacted:named-secret:"),
        "{message}"
    );
    assert!(message.chars().count() <= MAX_MESSAGE && !message.contains("second"));
    assert_eq!(redactor().message(" \n "), None);
}
