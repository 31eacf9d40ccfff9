//! Samples of secrets that are told by what stands around them, and texts that look like them and stay.

use super::*;

const UUID: &str = "0b1c2d3e-1111-4222-8333-0123456789ab";

/// As in [`super::samples`].
pub fn samples() -> Vec<(&'static str, String)> {
    let mut all = of_parts();
    all.extend(settings());
    all.extend(commands());
    all.extend(beside());
    all
}

fn of_parts() -> Vec<(&'static str, String)> {
    let (m, h) = (mixed, hex);
    vec![
        ("onepassword-key", format!("1PRK{}", "-A1B2".repeat(12))),
        ("asana-token", format!("1/{}:{}", &DIGITS[..16], h(32))),
        (
            "airtable-token",
            format!("oaa{}.v1.{}.{}", m(14), m(20), h(64)),
        ),
        (
            "authress-key",
            format!(
                "sc_{}.{}.acc-0x{}.{}",
                m(20),
                &LOWER[..4],
                &LOWER[..14],
                m(60)
            ),
        ),
        ("azure-registry-key", format!("{}+ACR{}", m(42), m(6))),
        ("convex-key", format!("preview:team-a:shop%7C{}=", m(40))),
        ("maxmind-key", format!("{}_{}_mmk", m(6), m(29))),
        (
            "salesforce-token",
            format!("00D{}!{}.{}", m(12), m(40), m(40)),
        ),
        ("posthog-key", format!("phx_{}", m(43))),
        ("unleash-token", format!("*:production.{}", h(56))),
        ("unleash-token", format!("user:{}", h(56))),
        ("pubnub-key", format!("sec-c-{}", m(50))),
        ("prefixed-key", format!("rdme_{}", LOWER.repeat(2))),
    ]
}

fn settings() -> Vec<(&'static str, String)> {
    let h = hex;
    let words = "river amber stone violin carpet window orange tiger pencil garden silver rocket";
    vec![
        ("seed-phrase", format!("WALLET_MNEMONIC=|{words}|")),
        (
            "seed-phrase",
            format!("\"seedPhrase\": \"|{words} {words}|\""),
        ),
        (
            "private-key",
            format!("privateKeyToAccount(\"|0x{}|\")", h(64)),
        ),
        (
            "private-key",
            format!("EVM_PRIVATE_KEY: |{}1|", "0".repeat(63)),
        ),
        (
            "keyset",
            r#"{"keyData":{"typeUrl":"x/AesGcmKey","value":"|GhBqUx7v|"}}"#.to_owned(),
        ),
        (
            "credential",
            "os.environ.get('APP_SECRET_KEY', '|x9f*2#86t64!gh6yav|')".to_owned(),
        ),
        (
            "credential",
            "Server=db;User ID=shop;Password=|correcthorse|;Database=x".to_owned(),
        ),
        (
            "credential",
            "BUNDLE_GEMS__EXAMPLE__COM=|c0ffee12:badcafe3|".to_owned(),
        ),
        ("saved-password", format!("password 51:b:|{}|", h(64))),
        (
            "node-key",
            format!("https://mainnet.infura.io/v3/|{}|", h(32)),
        ),
        (
            "named-secret",
            "REACT_APP_MAILER_PASS=|orangewhale|".to_owned(),
        ),
        (
            "named-secret",
            "connect(host='db', passwd='|s3cret|')".to_owned(),
        ),
        (
            "named-secret",
            format!("conf['api-secret-key'] = \"|A1B2C3D4:{}|\"", h(40)),
        ),
        ("named-secret", format!("config.shop.key = \"|{}|\"", h(32))),
        ("named-secret", format!("shop key: |{}|", h(20))),
        ("named-secret", format!("shopPRIVATEkey |{}|", h(48))),
    ]
}

fn commands() -> Vec<(&'static str, String)> {
    vec![
        ("credential", "tacacs key 7 |045802150C2E|".to_owned()),
        (
            "credential",
            r"psexec \\10.0.0.7 -u Admin -p |braksha| cmd".to_owned(),
        ),
        (
            "credential",
            r"net use Z: \\files\team /user:CORP\me |P@ssw0rt|".to_owned(),
        ),
        (
            "credential",
            format!("agent link --key=|{}| --host=x", hex(64)),
        ),
    ]
}

fn beside() -> Vec<(&'static str, String)> {
    vec![
        ("issued-key", format!("DEEPGRAM=|{}|", hex(40))),
        ("issued-key", format!("splunk.hec = |{UUID}|")),
    ]
}

#[test]
fn what_looks_like_a_key_and_is_told_to_be_something_else_stays() {
    let (m, h) = (mixed, hex);
    for text in [
        format!("Pin codecov/codecov-action@{} in the workflow.", h(40)),
        format!("Set VERCEL_GIT_COMMIT_SHA={} by hand.", h(40)),
        format!("cache_key = {} is of the lock file", h(64)),
        format!("cache key: {}", h(40)),
        format!("public_key: {}", h(64)),
        format!("checksum = \"{}\"", h(64)),
        format!("the job {UUID} and its container {}", h(64)),
        format!("postmark message id: {UUID}"),
        format!("\"integrity\": \"sha512-{0}{0}==\"", m(43)),
        format!("github.com/a/b v1.2.3 h1:{}=", m(43)),
        format!("The server's key is SHA256:{}.", m(43)),
        format!("<img src=\"data:image/png;base64,iVBORw0KGgo{}\">", m(80)),
        "docker run -u app -p 127.0.0.1:8080:80 nginx".to_owned(),
        "Bind the key 2 days before the release.".to_owned(),
        "The private key is read from /etc/ssl/private/host-2024.pem on start.".to_owned(),
        "mnemonic: use the first letters of each rule to remember what must be checked".to_owned(),
        "getenv('API_TOKEN', 'placeholder')".to_owned(),
        "refresh_token_bucket_v2_2024_01_impl is flaky".to_owned(),
    ] {
        assert_eq!(redactor().clean(&text), text);
    }
}
