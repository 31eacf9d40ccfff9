//! Secrets that are told by what stands around them, or by more than one part: fresh values for the places in which such
//! secrets stand in the documentation of those who issue them. Services are named here that no sample of another scanner has.

use super::{
    Format,
    chance::{ALNUM, BASE64, Chance, DIGIT, HEX, LOWER, LOWNUM, PASSWORD, UPNUM},
    formats::Part::{self, Is, Made, One, Open, Secret},
};

/// How people name the key of a service.
const NAMED: Part = One(&[
    "DEEPGRAM_API=",
    "elevenlabs = ",
    "\"finnhub\": \"",
    "VirusTotal: ",
    "opencage.api = ",
    "my_serpapi=",
    "PINECONE_CONTROLLER: ",
    "newsapi key ",
    "assembly_ai token is ",
    "shodan api = ",
    "SCRAPERAPI=",
    "new-relic license: ",
    "MIXPANEL_PROJECT_SECRET ",
    "tomtom => ",
]);

/// The formats.
pub const FORMATS: &[Format] = &[
    ("issued, hexadecimal", &[NAMED, Secret(HEX, 32, 64)]),
    ("issued, uuid", &[NAMED, Made(uuid)]),
    (
        "issued, letters and digits",
        &[NAMED, Secret(LOWNUM, 24, 48)],
    ),
    ("issued, in both cases", &[NAMED, Secret(ALNUM, 24, 48)]),
    (
        "issued, of two parts",
        &[
            One(&["fal.ai key: ", "FAL_AI=", "shippo = "]),
            Made(uuid),
            Is(":"),
            Secret(HEX, 32, 32),
        ],
    ),
    (
        "a key, spoken of",
        &[
            One(&[
                "shopPRIVATEkey ",
                "acme_SECRETTOKEN ",
                "rotate the my_api_key ",
                "tracking_api_key ",
            ]),
            Secret(LOWNUM, 24, 40),
        ],
    ),
    (
        "a key, with a colon",
        &[
            One(&[
                "service key: ",
                "shop key = ",
                "the key: ",
                "config.shop.key = ",
            ]),
            Secret(HEX, 24, 40),
        ],
    ),
    (
        "a member of settings",
        &[
            One(&["conf['api-secret-key'] = ", "settings[\"auth_token\"]="]),
            Secret(ALNUM, 24, 40),
        ],
    ),
    (
        "a password in capitals",
        &[
            One(&["SMTP_PASS=", "APP_MAILER_PASS="]),
            Secret(LOWER, 8, 14),
        ],
    ),
    ("1password recovery code", &[Is("1PRK"), Made(recovery)]),
    (
        "asana personal token",
        &[Is("1/"), Open(DIGIT, 16, 16), Is(":"), Secret(HEX, 32, 32)],
    ),
    (
        "airtable oauth token",
        &[
            Is("oaa"),
            Secret(ALNUM, 14, 14),
            Is(".v1."),
            Secret(ALNUM, 20, 30),
            Is("."),
            Secret(HEX, 64, 64),
        ],
    ),
    (
        "authress service key",
        &[
            Is("sc_"),
            Secret(ALNUM, 20, 24),
            Is("."),
            Open(LOWNUM, 4, 4),
            Is(".acc-"),
            Open(LOWNUM, 12, 16),
            Is("."),
            Secret(BASE64, 64, 64),
        ],
    ),
    (
        "azure registry password",
        &[Secret(ALNUM, 42, 42), Is("+ACR"), Secret(ALNUM, 6, 6)],
    ),
    (
        "convex deploy key",
        &[
            One(&["prod:", "dev:", "preview:team-a:"]),
            Open(LOWER, 5, 12),
            Is("|"),
            Secret(BASE64, 60, 120),
        ],
    ),
    (
        "maxmind licence",
        &[
            Secret(ALNUM, 6, 6),
            Is("_"),
            Secret(ALNUM, 29, 29),
            Is("_mmk"),
        ],
    ),
    (
        "salesforce session",
        &[
            Is("00D"),
            Open(ALNUM, 12, 12),
            Is("!"),
            Secret(ALNUM, 90, 96),
        ],
    ),
    (
        "posthog personal key",
        &[One(&["phx_", "phs_"]), Secret(ALNUM, 43, 43)],
    ),
    (
        "unleash token",
        &[
            One(&["*:", "default:", "[]:"]),
            One(&["production.", "development."]),
            Secret(HEX, 56, 56),
        ],
    ),
    (
        "unleash personal token",
        &[Is("user:"), Secret(HEX, 56, 56)],
    ),
    ("readme key", &[Is("rdme_"), Secret(LOWNUM, 64, 80)]),
    (
        "seed phrase",
        &[
            One(&[
                "mnemonic = ",
                "WALLET_MNEMONIC=",
                "seedPhrase: ",
                "recovery phrase is ",
            ]),
            Made(phrase),
        ],
    ),
    (
        "private key of an account",
        &[
            One(&[
                "privateKeyToAccount(\"0x",
                "ETH_PRIVATE_KEY=0x",
                "private_key: ",
            ]),
            Secret(HEX, 64, 64),
        ],
    ),
    (
        "keyset of tink",
        &[
            Is("\"keyData\":{\"typeUrl\":\"t\",\"value\":\""),
            Secret(BASE64, 30, 60),
            Is("\"}"),
        ],
    ),
    (
        "value beside a name, in a call",
        &[
            One(&[
                "os.environ.get('APP_SECRET', '",
                "getenv('DB_PASSWORD', '",
                "config('my_api_key', '",
            ]),
            Secret(PASSWORD, 12, 24),
            Is("')"),
        ],
    ),
    (
        "string that connects",
        &[
            One(&["Server=db;User ID=", "Data Source=db;Uid="]),
            Open(LOWER, 4, 8),
            One(&[";Password=", ";Pwd=", "; Password = "]),
            Secret(PASSWORD, 10, 20),
            Is(";Database=shop"),
        ],
    ),
    (
        "credentials of bundler",
        &[
            Is("BUNDLE_GEMS__EXAMPLE__COM="),
            Secret(HEX, 8, 8),
            Is(":"),
            Secret(HEX, 8, 8),
        ],
    ),
    (
        "password of a desktop's file",
        &[Is("password 51:b:"), Secret(HEX, 60, 200)],
    ),
    (
        "key in the address of a node",
        &[
            One(&[
                "https://mainnet.infura.io/v3/",
                "wss://eth-mainnet.g.alchemy.com/v2/",
                "https://rpc.ankr.com/eth/",
            ]),
            Secret(HEX, 32, 64),
        ],
    ),
    (
        "token as a user of an address",
        &[
            Is("https://"),
            Secret(LOWNUM, 20, 30),
            Is(":@pypi.example.org/simple"),
        ],
    ),
    (
        "line of a router",
        &[
            One(&["key 7 ", "password 7 ", "tacacs-server key 7 "]),
            Secret("0123456789ABCDEF", 14, 24),
        ],
    ),
    (
        "password of psexec",
        &[
            One(&[
                "psexec \\\\10.0.0.7 -u Admin -p ",
                "PsExec64.exe -u CORP\\me -p ",
            ]),
            Secret(PASSWORD, 8, 16),
            Is(" cmd"),
        ],
    ),
    (
        "password of net use",
        &[
            Is("net use Z: \\\\files\\team /user:CORP\\me "),
            Secret(PASSWORD, 8, 16),
            Is(" /persistent:no"),
        ],
    ),
    (
        "key of a flag",
        &[
            One(&["agent link --key=", "hex auth acme --key "]),
            Secret(HEX, 32, 64),
        ],
    ),
];

/// As RFC 9562 writes it.
pub(super) fn uuid(by: &mut Chance) -> String {
    let parts = [8, 4, 4, 4, 12].map(|n| by.text(HEX, n, n));
    parts.join("-")
}

fn recovery(by: &mut Chance) -> String {
    let groups = (0..13).map(|_| format!("-{}", by.text(UPNUM, 4, 4)));
    groups.collect()
}

/// Words of the list that wallets use have three to eight letters.
fn phrase(by: &mut Chance) -> String {
    let words: Vec<String> = (0..by.below(2) * 12 + 12)
        .map(|_| by.text(LOWER, 3, 8))
        .collect();
    words.join(" ")
}
