//! Samples of the scanner that are no secrets, each with the reason, and which part of a sample is one where its pattern
//! does not say so. Whether memory finds them is not asked here: what stands here counts neither way.

/// Rules for what is meant to be seen.
const PUBLIC: &[(&str, &str)] = &[
    ("kingfisher.amazonoauth.1", CLIENT),
    ("kingfisher.asana.1", CLIENT),
    ("kingfisher.bitbucket.1", CLIENT),
    ("kingfisher.ebay.1", CLIENT),
    ("kingfisher.ebay.2", CLIENT),
    ("kingfisher.linkedin.1", CLIENT),
    ("kingfisher.looker.2", CLIENT),
    ("kingfisher.messagebird.2", CLIENT),
    ("kingfisher.flutterwave.1", PUBLISHABLE),
    ("kingfisher.lob.2", PUBLISHABLE),
    ("kingfisher.pollinations.2", PUBLISHABLE),
    ("kingfisher.pubnub.1", PUBLISHABLE),
    ("kingfisher.pubnub.2", PUBLISHABLE),
    ("kingfisher.newrelic.2", "the number of a key, not the key"),
    (
        "kingfisher.azuresearch.url.1",
        "an address without credentials",
    ),
    ("kingfisher.reactapp.1", "the name of a user"),
    (
        "kingfisher.gcp.1",
        "the public half of an account's file: addresses and names; the key in it is not shown",
    ),
];
const CLIENT: &str =
    "the public name of an application, which stands in the addresses of its logins";
const PUBLISHABLE: &str =
    "the key that its issuer calls public and has people put into their pages";

/// Words that stand in examples where a password would.
const PLACES: &[&str] = &[
    "password",
    "secret",
    "mypassword",
    "some_password",
    "smtp_password",
    "your_password",
];

/// The rules whose last part is not the secret, and the words that stand right before it.
const BEHIND: &[(&str, &str)] = &[
    // The signature; the rest says what it allows, and until when.
    ("kingfisher.azuresastoken.1", "sig="),
    // The host stands last.
    ("kingfisher.credentials.1", "://eaRIWNkE:"),
    ("kingfisher.redis.2", "password="),
    // The word before it says how it is sent.
    ("kingfisher.gcnotify.1", "ApiKey-v1 "),
    // The name of the application stands in a part of its own.
    ("kingfisher.google.6", "client_secret: '"),
    // All of the object is found; one value of it is the key.
    ("kingfisher.tink.1", "\"value\":\""),
    ("kingfisher.travisci.2", "secure: \""),
];

/// Why this is no secret; nothing where it is one.
pub(super) fn reason(rule: &str, text: &str, secret: &str) -> Option<&'static str> {
    let named = PUBLIC.iter().find(|(of, _)| *of == rule);
    if let Some((_, why)) = named {
        return Some(why);
    }
    let bare = secret.trim_matches(['"', '\'']).to_lowercase();
    if PLACES.contains(&bare.as_str()) {
        return Some("a word that stands for a password");
    }
    if is_variable(&bare) {
        return Some("a variable that holds the password");
    }
    let bare_address = rule == "kingfisher.jdbc.1" && !text.to_lowercase().contains("passw");
    (bare_address && text.contains(":@")).then_some("an address without credentials")
}

/// The words that stand before the secret of this rule, where its pattern does not tell.
pub(super) fn behind(rule: &str) -> Option<&'static str> {
    let known = BEHIND.iter().find(|(of, _)| *of == rule)?;
    Some(known.1)
}

/// `$name`, `${name}`, `%name%` or `#{…}`; a hash of a password has more signs.
fn is_variable(secret: &str) -> bool {
    let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let inner = secret
        .strip_prefix('$')
        .or_else(|| secret.strip_prefix('%'));
    let inner = inner.map(|rest| rest.trim_matches(['{', '}', '%']));
    inner.is_some_and(name) || secret.starts_with("#{")
}
