//! What secrets look like, by what those who issue them publish about them: their documentation, and the
//! announcements with which they made their tokens recognizable. A row is a name and the parts that
//! stand one after the other.

use super::Format;
use super::chance::{
    ALNUM, ALPHA, BASE32, BASE64, BECH32, Chance, DIGIT, HEX, LOWER, LOWNUM, PASSWORD, UPNUM,
    URL64, base64,
};

/// A piece of a secret.
#[derive(Clone, Copy)]
pub enum Part {
    /// Always the same.
    Is(&'static str),
    /// One of these.
    One(&'static [&'static str]),
    /// By chance, and not secret: a name or number that may stay.
    Open(&'static str, usize, usize),
    /// By chance, and secret: alphabet, least and greatest length.
    Secret(&'static str, usize, usize),
    /// Secret, and made by a rule of its own.
    Made(fn(&mut Chance) -> String),
}
use Part::{Is, Made, One, Open, Secret};

/// The formats.
pub const FORMATS: &[Format] = &[
    // Clouds.
    (
        "aws access key id",
        &[One(&["AKIA", "ASIA"]), Secret(BASE32, 16, 16)],
    ),
    (
        "aws secret access key",
        &[
            One(&[
                "aws_secret_access_key = ",
                "AWS_SECRET_ACCESS_KEY=",
                "\"SecretAccessKey\": \"",
            ]),
            Secret(BASE64, 40, 40),
        ],
    ),
    ("google api key", &[Is("AIza"), Secret(URL64, 35, 35)]),
    (
        "google oauth client secret",
        &[Is("GOCSPX-"), Secret(URL64, 28, 28)],
    ),
    (
        "google oauth access token",
        &[Is("ya29."), Secret(URL64, 120, 180)],
    ),
    (
        "azure storage connection",
        &[
            Is("DefaultEndpointsProtocol=https;AccountName="),
            Open(LOWNUM, 6, 20),
            Is(";AccountKey="),
            Secret(BASE64, 86, 86),
            Is("==;EndpointSuffix=core.windows.net"),
        ],
    ),
    (
        "azure entra client secret",
        &[
            Secret(ALNUM, 3, 3),
            Open(DIGIT, 1, 1),
            Is("Q~"),
            Secret(ALNUM, 34, 34),
        ],
    ),
    (
        "digitalocean token",
        &[One(&["dop_v1_", "doo_v1_", "dor_v1_"]), Secret(HEX, 64, 64)],
    ),
    (
        "cloudflare origin ca key",
        &[
            Is("v1.0-"),
            Secret(HEX, 24, 24),
            Is("-"),
            Secret(HEX, 146, 146),
        ],
    ),
    (
        "alibaba access key id",
        &[Is("LTAI5t"), Secret(ALNUM, 18, 18)],
    ),
    // Where code lives and where packages come from.
    (
        "github token",
        &[
            One(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]),
            Secret(ALNUM, 36, 36),
        ],
    ),
    (
        "github fine-grained token",
        &[
            Is("github_pat_"),
            Secret(ALNUM, 22, 22),
            Is("_"),
            Secret(ALNUM, 59, 59),
        ],
    ),
    (
        "gitlab personal token",
        &[Is("glpat-"), Secret(URL64, 20, 20)],
    ),
    (
        "gitlab other tokens",
        &[
            One(&["gldt-", "glrt-", "glft-", "glsoat-"]),
            Secret(URL64, 20, 20),
        ],
    ),
    ("npm token", &[Is("npm_"), Secret(ALNUM, 36, 36)]),
    (
        "pypi token",
        &[Is("pypi-AgEIcHlwaS5vcmc"), Secret(URL64, 120, 170)],
    ),
    ("crates.io token", &[Is("cio"), Secret(ALNUM, 32, 32)]),
    ("rubygems key", &[Is("rubygems_"), Secret(HEX, 48, 48)]),
    (
        "docker hub token",
        &[Is("dckr_pat_"), Secret(URL64, 27, 27)],
    ),
    // Services.
    (
        "slack bot or user token",
        &[
            One(&["xoxb-", "xoxp-"]),
            Open(DIGIT, 11, 13),
            Is("-"),
            Open(DIGIT, 11, 13),
            Is("-"),
            Secret(ALNUM, 24, 24),
        ],
    ),
    (
        "slack app token",
        &[
            Is("xapp-1-A"),
            Open(UPNUM, 10, 10),
            Is("-"),
            Open(DIGIT, 13, 13),
            Is("-"),
            Secret(HEX, 64, 64),
        ],
    ),
    (
        "slack webhook",
        &[
            Is("https://hooks.slack.com/services/T"),
            Open(UPNUM, 8, 10),
            Is("/B"),
            Open(UPNUM, 8, 10),
            Is("/"),
            Secret(ALNUM, 24, 24),
        ],
    ),
    (
        "stripe key",
        &[
            One(&["sk_live_", "rk_live_", "sk_test_"]),
            Secret(ALNUM, 24, 99),
        ],
    ),
    (
        "stripe webhook secret",
        &[Is("whsec_"), Secret(ALNUM, 32, 32)],
    ),
    ("twilio api key", &[Is("SK"), Secret(HEX, 32, 32)]),
    (
        "sendgrid key",
        &[
            Is("SG."),
            Secret(URL64, 22, 22),
            Is("."),
            Secret(URL64, 43, 43),
        ],
    ),
    ("mailgun key", &[Is("key-"), Secret(HEX, 32, 32)]),
    (
        "mailchimp key",
        &[Secret(HEX, 32, 32), Is("-us"), Open(DIGIT, 1, 2)],
    ),
    (
        "telegram bot token",
        &[Open(DIGIT, 9, 10), Is(":AA"), Secret(URL64, 33, 33)],
    ),
    ("discord bot token", &[Made(discord)]),
    (
        "shopify token",
        &[
            One(&["shpat_", "shpca_", "shppa_", "shpss_"]),
            Secret(HEX, 32, 32),
        ],
    ),
    ("square token", &[Is("EAAA"), Secret(URL64, 60, 60)]),
    ("linear key", &[Is("lin_api_"), Secret(ALNUM, 40, 40)]),
    (
        "notion token",
        &[Is("ntn_"), Open(DIGIT, 11, 11), Secret(ALNUM, 35, 35)],
    ),
    (
        "atlassian token",
        &[
            Is("ATATT3xFfGF0"),
            Secret(URL64, 171, 171),
            Is("="),
            Open(HEX, 8, 8),
        ],
    ),
    (
        "postman key",
        &[
            Is("PMAK-"),
            Secret(HEX, 24, 24),
            Is("-"),
            Secret(HEX, 34, 34),
        ],
    ),
    ("sentry user token", &[Is("sntryu_"), Secret(HEX, 64, 64)]),
    ("new relic user key", &[Is("NRAK-"), Secret(UPNUM, 27, 27)]),
    (
        "grafana service account token",
        &[Is("glsa_"), Secret(ALNUM, 32, 32), Is("_"), Open(HEX, 8, 8)],
    ),
    // Models.
    (
        "openai project key",
        &[
            Is("sk-proj-"),
            Secret(URL64, 74, 74),
            Is("T3BlbkFJ"),
            Secret(URL64, 74, 74),
        ],
    ),
    (
        "openai old key",
        &[
            Is("sk-"),
            Secret(ALNUM, 20, 20),
            Is("T3BlbkFJ"),
            Secret(ALNUM, 20, 20),
        ],
    ),
    (
        "anthropic key",
        &[
            One(&["sk-ant-api03-", "sk-ant-admin01-"]),
            Secret(URL64, 93, 93),
            Is("AA"),
        ],
    ),
    ("hugging face token", &[Is("hf_"), Secret(ALPHA, 34, 34)]),
    ("groq key", &[Is("gsk_"), Secret(ALNUM, 52, 52)]),
    ("replicate token", &[Is("r8_"), Secret(ALNUM, 37, 37)]),
    // Where things run.
    ("databricks token", &[Is("dapi"), Secret(HEX, 32, 32)]),
    ("vault token", &[Is("hvs."), Secret(URL64, 90, 105)]),
    (
        "terraform cloud token",
        &[
            Secret(ALNUM, 14, 14),
            Is(".atlasv1."),
            Secret(URL64, 67, 67),
        ],
    ),
    ("heroku token", &[Is("HRKU-AA"), Secret(URL64, 58, 58)]),
    ("netlify token", &[Is("nfp_"), Secret(ALNUM, 36, 36)]),
    ("pulumi token", &[Is("pul-"), Secret(HEX, 40, 40)]),
    ("render key", &[Is("rnd_"), Secret(ALNUM, 28, 28)]),
    (
        "tailscale key",
        &[
            One(&["tskey-auth-", "tskey-api-", "tskey-client-"]),
            Open(ALNUM, 8, 9),
            Is("CNTRL-"),
            Secret(ALNUM, 32, 33),
        ],
    ),
    (
        "doppler token",
        &[
            One(&["dp.pt.", "dp.st.dev.", "dp.sa."]),
            Secret(ALNUM, 43, 43),
        ],
    ),
    ("supabase token", &[Is("sbp_"), Secret(HEX, 40, 40)]),
    (
        "planetscale password",
        &[One(&["pscale_pw_", "pscale_tkn_"]), Secret(URL64, 43, 43)],
    ),
    (
        "age secret key",
        &[Is("AGE-SECRET-KEY-1"), Secret(BECH32, 58, 58)],
    ),
    // What no vendor issues.
    ("private key, pem", &[Made(pem)]),
    ("private key, pem in json", &[Made(pem_in_json)]),
    ("json web token", &[Made(jwt)]),
    (
        "database address",
        &[
            One(&[
                "postgres://",
                "postgresql://",
                "mysql://",
                "mongodb+srv://",
                "redis://",
                "amqp://",
            ]),
            Open(LOWER, 3, 9),
            Is(":"),
            Secret(PASSWORD, 10, 24),
            Is("@db.internal.example:5432/orders"),
        ],
    ),
    (
        "password in a web address",
        &[
            Is("https://"),
            Open(LOWER, 4, 8),
            Is(":"),
            Secret(PASSWORD, 10, 20),
            Is("@git.example.org/team/code.git"),
        ],
    ),
    (
        "bearer header",
        &[
            One(&[
                "Authorization: Bearer ",
                "authorization: bearer ",
                "\"Authorization\": \"Bearer ",
            ]),
            Secret(URL64, 24, 60),
        ],
    ),
    (
        "basic header",
        &[
            One(&["Authorization: Basic ", "authorization: basic "]),
            Made(basic),
        ],
    ),
    (
        "named password",
        &[
            One(&[
                "DB_PASSWORD=",
                "password: ",
                "\"password\": \"",
                "PGPASSWORD=",
                "--password=",
                "passwd=",
            ]),
            Secret(PASSWORD, 10, 24),
        ],
    ),
    (
        "named token",
        &[
            One(&[
                "API_KEY=",
                "api_key: ",
                "\"apiKey\": \"",
                "CLIENT_SECRET=",
                "auth_token = ",
                "X-Api-Key: ",
            ]),
            Secret(ALNUM, 20, 40),
        ],
    ),
];

/// The number of the bot, the time, and a signature, each in base64.
fn discord(by: &mut Chance) -> String {
    let bot = by.text(DIGIT, 18, 18);
    let signature = by.text(URL64, 38, 38);
    format!(
        "{}.{}.{signature}",
        base64(bot.as_bytes(), URL64),
        by.text(URL64, 6, 6)
    )
}

fn basic(by: &mut Chance) -> String {
    let said = format!("{}:{}", by.text(LOWER, 4, 8), by.text(PASSWORD, 10, 20));
    base64(said.as_bytes(), BASE64)
}

fn jwt(by: &mut Chance) -> String {
    let head = by.one(&[
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"RS256","kid":"k1"}"#,
        r#"{"typ":"JWT","alg":"ES256"}"#,
    ]);
    let body = format!(
        r#"{{"sub":"{}","exp":{}}}"#,
        by.text(LOWNUM, 8, 30),
        by.text(DIGIT, 10, 10)
    );
    let signature = by.text(URL64, 43, 86);
    let [head, body] = [head, &body].map(|t| base64(t.as_bytes(), URL64));
    format!("{head}.{body}.{signature}")
}

/// RFC 7468 and its forebears: 64 letters a line.
fn pem_with(by: &mut Chance, line: &str) -> String {
    let kind = by.one(&["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "]);
    let mut text = format!("-----BEGIN {kind}PRIVATE KEY-----{line}");
    for _ in 0..=by.below(20) {
        text += &by.text(BASE64, 64, 64);
        text += line;
    }
    format!(
        "{text}{}=={line}-----END {kind}PRIVATE KEY-----",
        by.text(BASE64, 22, 62)
    )
}

fn pem(by: &mut Chance) -> String {
    pem_with(by, "\n")
}

fn pem_in_json(by: &mut Chance) -> String {
    pem_with(by, "\\n")
}
