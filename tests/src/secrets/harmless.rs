//! What looks like a secret and is none: digests, numbers of jobs and runs, paths, pictures. Nothing of it may go.

use super::{
    Format, Sample,
    beside::uuid,
    chance::{BASE64, Chance, DIGIT, HEX, LOWER, LOWNUM},
    formats::Part::{Is, Made, One, Open},
    sample,
};

/// The looks, made as secrets are.
const LOOKS: &[Format] = &[
    (
        "commit",
        &[
            One(&[
                "commit ",
                "rev = ",
                "GITHUB_SHA=",
                "Revert ",
                "CI_COMMIT_SHA: ",
                "HEAD is ",
            ]),
            Open(HEX, 40, 40),
        ],
    ),
    (
        "short commit",
        &[One(&["since ", "fixed in ", "v1.4.2-"]), Open(HEX, 7, 12)],
    ),
    (
        "digest of an image",
        &[
            One(&["sha256:", "ghcr.io/acme/shop@sha256:", "layer sha256:"]),
            Open(HEX, 64, 64),
        ],
    ),
    (
        "number of a job",
        &[
            One(&[
                "job ",
                "run_id=",
                "X-Request-Id: ",
                "trace ",
                "tenant ",
                "https://api.example.org/v1/jobs/",
            ]),
            Made(uuid),
        ],
    ),
    (
        "container",
        &[
            One(&["container ", "docker logs ", "/var/lib/docker/overlay2/"]),
            Open(HEX, 64, 64),
        ],
    ),
    (
        "checksum of a lock file",
        &[Is("checksum = \""), Open(HEX, 64, 64), Is("\"")],
    ),
    (
        "integrity of a package",
        &[
            Is("\"integrity\": \"sha512-"),
            Open(BASE64, 86, 86),
            Is("==\""),
        ],
    ),
    (
        "sum of a go module",
        &[
            Is("example.org/m v1.2.3 h1:"),
            Open(BASE64, 43, 43),
            Is("="),
        ],
    ),
    (
        "version of a go module",
        &[
            Is("v0.0.0-2024"),
            Open(DIGIT, 10, 10),
            Is("-"),
            Open(HEX, 12, 12),
        ],
    ),
    (
        "fingerprint of a server",
        &[Is("SHA256:"), Open(BASE64, 43, 43)],
    ),
    (
        "picture",
        &[
            One(&[
                "data:image/png;base64,iVBORw0KGgo",
                "data:image/jpeg;base64,/9j/",
                "data:image/gif;base64,R0lGOD",
            ]),
            Open(BASE64, 80, 400),
        ],
    ),
    (
        "pinned action",
        &[
            One(&[
                "codecov/codecov-action@",
                "snyk/actions@",
                "cloudflare/wrangler-action@",
            ]),
            Open(HEX, 40, 40),
        ],
    ),
    (
        "path",
        &[
            One(&["src/", "tests/data/", "/srv/app/releases/"]),
            Open(LOWER, 4, 9),
            Is("_"),
            Open(LOWER, 4, 9),
            Is("/token_"),
            Open(DIGIT, 4, 8),
            One(&[".rs", ".py", "/index.html"]),
        ],
    ),
    (
        "file of a build",
        &[
            One(&["target/debug/deps/libshop-", "dist/main.", "assets/vendor-"]),
            Open(HEX, 16, 20),
            One(&[".rlib", ".js"]),
        ],
    ),
    (
        "number beside an issuer",
        &[
            One(&[
                "DATADOG_TRACE_ID=",
                "asana project id: ",
                "TWITTER_USER_ID=",
                "vercel request ",
            ]),
            Open(HEX, 24, 32),
        ],
    ),
    (
        "commit beside an issuer",
        &[
            One(&[
                "VERCEL_GIT_COMMIT_SHA=",
                "netlify commit ",
                "BUILDKITE_COMMIT=",
            ]),
            Open(HEX, 40, 40),
        ],
    ),
    (
        "key of a map",
        &[
            One(&[
                "cache_key=",
                "cache key: ",
                "etag: ",
                "partition_key = ",
                "idempotency-key: ",
            ]),
            Open(HEX, 40, 64),
        ],
    ),
    (
        "time of a token",
        &[
            One(&["token_expires_at=", "token issued at "]),
            Open(DIGIT, 10, 13),
        ],
    ),
    (
        "pod",
        &[Is("web-"), Open(HEX, 9, 10), Is("-"), Open(LOWNUM, 5, 5)],
    ),
];

/// Texts with these in them, each with the name of its look.
#[must_use]
pub fn texts(count: usize) -> Vec<(&'static str, String)> {
    let each = LOOKS.iter().enumerate();
    let all = each.flat_map(|(number, (name, parts))| {
        let mut by = Chance::new(9_000 + number as u64);
        let made = move || -> Sample { sample(parts, &mut by) };
        std::iter::repeat_with(made)
            .take(count)
            .map(|made| (*name, made.text))
    });
    all.collect()
}
