//! Keys without a form of their own, a UUID or some hexadecimal digits: told by the name of a service that issues such
//! keys beside them. Numbers and digests that are called so, `asana_commit: …`, are left alone.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::look;

/// Services that issue keys of no form of their own, by the names under which people keep them. None of them is a word of
/// every day: what stands beside such a word is mostly no key.
const ISSUERS: &[&str] = &[
    r"abuse_?ipdb",
    r"adafruit",
    r"agora",
    r"ai21",
    r"airbrake",
    r"airtable",
    r"algolia",
    r"amplitude",
    r"apify",
    r"asana",
    r"assembly_?ai",
    r"atlassian",
    r"auth0",
    r"bamboo_?hr",
    r"beamer",
    r"bitbucket",
    r"bitly",
    r"blockfrost",
    r"brave_?search",
    r"browserstack",
    r"bugsnag",
    r"buildkite",
    r"calendly",
    r"cerebras",
    r"circleci",
    r"clarifai",
    r"clearbit",
    r"clickup",
    r"cloudconvert",
    r"cloudflare",
    r"cloudinary",
    r"cloudsmith",
    r"codacy",
    r"codecov",
    r"cohere",
    r"coinbase",
    r"coin_?gecko",
    r"coin_?market_?cap",
    r"contentful",
    r"coveralls",
    r"customer\.?io",
    r"datadog",
    r"deepgram",
    r"deepl",
    r"deepseek",
    r"detectify",
    r"discourse",
    r"docusign",
    r"eleven_?labs",
    r"etherscan",
    r"eventbrite",
    r"facebook",
    r"fal[._\-]?ai",
    r"fal[_\-]api",
    r"fastly",
    r"finnhub",
    r"firecrawl",
    r"flagsmith",
    r"flickr",
    r"foursquare",
    r"freshdesk",
    r"geoapify",
    r"giphy",
    r"google_?maps",
    r"gumroad",
    r"helpscout",
    r"hex_?pm",
    r"honeycomb",
    r"hubspot",
    r"infura",
    r"instagram",
    r"intercom",
    r"ip_?data",
    r"ip_?geolocation",
    r"ip_?info",
    r"ip_?stack",
    r"jotform",
    r"jumpcloud",
    r"kucoin",
    r"launch_?darkly",
    r"lemon_?squeezy",
    r"linkedin",
    r"logdna",
    r"loggly",
    r"mailchimp",
    r"mailerlite",
    r"mailgun",
    r"mailjet",
    r"mandrill",
    r"mapbox",
    r"mapquest",
    r"maxmind",
    r"meraki",
    r"message_?bird",
    r"mistral",
    r"mixpanel",
    r"netlify",
    r"new[ _\-]?relic",
    r"new[ _\-]?york[ _\-]?times",
    r"news_?api",
    r"ngrok",
    r"nylas",
    r"ny_?times",
    r"okta",
    r"one_?login",
    r"one_?signal",
    r"open_?cage",
    r"open_?weather(?:_?map)?",
    r"opsgenie",
    r"optimizely",
    r"package_?cloud",
    r"pagerduty",
    r"pandadoc",
    r"papertrail",
    r"pinecone",
    r"pipedrive",
    r"plivo",
    r"polygonscan",
    r"postmark",
    r"qdrant",
    r"quicknode",
    r"rapid_?api",
    r"razorpay",
    r"rollbar",
    r"runpod",
    r"sauce_?labs",
    r"scraper_?api",
    r"scrapingbee",
    r"security_?trails",
    r"sendbird",
    r"sendgrid",
    r"sendinblue",
    r"serp_?api",
    r"shippo",
    r"shodan",
    r"signalwire",
    r"smartsheet",
    r"snyk",
    r"splunk",
    r"spotify",
    r"stability_?ai",
    r"status_?page",
    r"stytch",
    r"sumo_?logic",
    r"survey_?monkey",
    r"tavily",
    r"tiingo",
    r"todoist",
    r"tomtom",
    r"travis(?:_?ci)?",
    r"trello",
    r"twelve_?data",
    r"twilio",
    r"twitch",
    r"twitter",
    r"typeform",
    r"unsplash",
    r"uptime_?robot",
    r"vercel",
    r"virus_?total",
    r"voyage_?ai",
    r"vultr",
    r"wakatime",
    r"weather_?api",
    r"weather_?stack",
    r"webflow",
    r"we_?chat",
    r"woocommerce",
    r"workos",
    r"yelp",
    r"youtube",
    r"zendesk",
    r"zenserp",
];

/// How far behind its issuer a key may stand, in bytes.
const REACH: usize = 32;

/// Words that say that something else follows.
const NO_KEY: &[&str] = &[
    "branch", "build", "checksum", "clientid", "commit", "digest", "dir", "etag", "file", "hash",
    "host", "id", "ids", "image", "job", "layer", "md5", "path", "ref", "region", "release",
    "request", "rev", "revision", "run", "sha", "sha1", "sha256", "span", "tag", "trace", "tree",
    "url", "username", "uuid", "version",
];

/// Words that say that a key follows, also without an assignment.
const KEY: &[&str] = &[
    "access", "api", "auth", "cert", "key", "licen", "pass", "pat", "private", "secret", "token",
];

/// A list that is no expression would find nothing; a test finds something of each.
static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all = ISSUERS.join("|");
    Regex::new(&format!(r"(?i)(?:\b|_)(?:{all})")).ok()
});

/// Replaces what `mark` is given.
pub fn replace(text: &str, mark: impl Fn(&str, &str) -> String) -> String {
    let Some(names) = NAMES.as_ref() else {
        return text.to_owned();
    };
    let (mut out, mut done) = (String::new(), 0);
    for name in names.find_iter(text) {
        let Some(key) = key_in(&text[name.end()..]) else {
            continue;
        };
        let (from, to) = (name.end() + key.start, name.end() + key.end);
        if from >= done {
            out += &text[done..from];
            out += &mark("issued-key", &text[from..to]);
            done = to;
        }
    }
    out + &text[done..]
}

/// The key in what stands behind an issuer's name, on the same line and not far away.
fn key_in(rest: &str) -> Option<Range<usize>> {
    let line = rest.lines().next()?;
    let mut from = 0;
    while let Some(run) = next_run(line, from) {
        let between = &line[..run.start];
        if run.start > REACH || !between.chars().all(is_between) || says_otherwise(between) {
            return None;
        }
        let word = &line[run.clone()];
        if look::is_formless(word) && (says_key(between, word) || look::is_long(word)) {
            return Some(with_second(line, run));
        }
        from = run.end;
    }
    None
}

/// The next run of what keys are made of.
fn next_run(line: &str, from: usize) -> Option<Range<usize>> {
    let start = from + line.get(from..)?.find(is_run)?;
    let end = line[start..].find(|c| !is_run(c));
    Some(start..end.map_or(line.len(), |length| start + length))
}

const fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// What may stand between an issuer and its key. In a path or an address everything means something else.
const fn is_between(c: char) -> bool {
    is_run(c)
        || matches!(
            c,
            ' ' | '\t' | '.' | ':' | '=' | '>' | '"' | '\'' | '`' | '[' | ']' | '(' | ','
        )
}

/// Some are of two parts, with a colon between.
fn with_second(line: &str, first: Range<usize>) -> Range<usize> {
    let second = line[first.end..]
        .strip_prefix(':')
        .and_then(|rest| next_run(rest, 0));
    match second {
        Some(second) if second.start == 0 => first.start..first.end + 1 + second.end,
        _ => first,
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
    parts.filter(|p| !p.is_empty()).map(str::to_lowercase)
}

fn says_otherwise(between: &str) -> bool {
    words(between).any(|word| NO_KEY.contains(&word.as_str()))
}

/// An assignment, or a word for a key: before it, or grown together with it.
fn says_key(between: &str, run: &str) -> bool {
    let names = |text: &str| words(text).any(|word| KEY.iter().any(|k| word.contains(k)));
    between.contains(['=', ':', '"', '\'']) || names(between) || names(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        replace(text, |_, _| "***".into())
    }

    const HEX: &str = "5f2c0d1e8a7b4c6d9e0f1a2b3c4d5e6f";
    const UUID: &str = "0b1c2d3e-4f50-4617-8829-a3b4c5d6e7f8";

    #[test]
    fn a_key_beside_each_issuer_is_found() {
        for issuer in ISSUERS {
            let name = issuer.replace("(?:", "").replace(")?", "");
            let name = name.replace("[ _\\-]?", " ").replace("[._\\-]?", ".");
            let name = name
                .replace("[_\\-]", "-")
                .replace("\\.?", ".")
                .replace("_?", "_");
            let text = format!("set {name}_x = {HEX} first");
            assert_eq!(clean(&text), format!("set {name}_x = *** first"));
        }
    }

    #[test]
    fn a_key_is_found_in_every_way_to_name_it() {
        for (text, found) in [
            (format!("DEEPGRAM: '{HEX}'"), "DEEPGRAM: '***'".to_owned()),
            (
                format!("my_splunk.hec={UUID}"),
                "my_splunk.hec=***".to_owned(),
            ),
            (
                format!("fal.ai key: {UUID}:{HEX}!"),
                "fal.ai key: ***!".to_owned(),
            ),
            (
                format!("statuspage_api: OAuth {HEX}{HEX}"),
                "statuspage_api: OAuth ***".to_owned(),
            ),
            (
                format!("\"new-york-times\": \"{HEX}\","),
                "\"new-york-times\": \"***\",".to_owned(),
            ),
            (format!("mailjet {HEX}"), "mailjet ***".to_owned()),
            (format!("gumroadPRIVATE-{HEX}"), "gumroad***".to_owned()),
        ] {
            assert_eq!(clean(&text), found);
        }
    }

    #[test]
    fn what_stands_beside_an_issuer_and_is_no_key_stays() {
        for text in [
            format!("codecov/codecov-action@{HEX} is pinned"),
            format!("VERCEL_GIT_COMMIT_SHA={HEX}{}", &HEX[..8]),
            format!("netlify deploy id: {}", &HEX[..24]),
            format!("asana task https://app.asana.com/0/{HEX}"),
            format!("the datadog trace {HEX} has no spans"),
            format!("airtable_request_id = {UUID}"),
            "deepgram = nova-2-general-2023-10".to_owned(),
            "mixpanel: trackEventWhenUserLogsInTwice is called twice".to_owned(),
            format!("twilio\n{HEX}"),
        ] {
            assert_eq!(clean(&text), text);
        }
    }
}
