//! Made secrets, and how many of them memory takes out of a text; real texts, and how many it spoils.
//!
//! | file | what it is |
//! |---|---|
//! | `formats` | what secrets look like |
//! | `beside` | what those look like that are told by what stands around them |
//! | `harmless` | what looks like a secret and is none |
//! | `chance` | the numbers and alphabets they are made of |
//! | `published` | the samples of somebody else's scanner |
//! | `left_out` | which of them are no secrets, and why |

pub mod beside;
pub mod chance;
pub mod formats;
pub mod harmless;
mod left_out;
pub mod published;

use sandbox_elf::redact::Redactor;

use chance::Chance;
use formats::Part;

/// A format: its name, and the parts that stand one after the other.
pub type Format = (&'static str, &'static [Part]);

/// All formats.
pub fn formats() -> impl Iterator<Item = &'static Format> {
    formats::FORMATS.iter().chain(beside::FORMATS)
}

/// What stands around a secret. Nothing here says that one follows.
const AROUND: &[&str] = &[
    "{}",
    "the call with {} was refused",
    "`{}`",
    "It is \"{}\" on the second machine.",
    "works with ({}) only",
    "give it {}, then start again",
    "https://example.org/x?v={}&y=1",
    "got {} from the store",
    "first\n{}\nlast",
    "see <{}>",
    "--with={} is what the script adds",
    "The old one was {}.",
];

/// A text with a secret in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The text.
    pub text: String,
    /// What must not stay of it.
    pub secrets: Vec<String>,
}

/// What was found of a format, or of a set of rules.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// How many texts.
    pub texts: usize,
    /// Of how many nothing secret stayed.
    pub clean: usize,
    /// One of which something stayed.
    pub missed: Option<String>,
}

impl Found {
    /// The share of which nothing stayed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "some thousand texts")]
    pub fn recall(&self) -> f64 {
        self.clean as f64 / self.texts.max(1) as f64
    }

    /// What memory finds in these.
    #[must_use]
    pub fn among(name: &str, samples: &[Sample]) -> Self {
        let redactor = Redactor::new("a key");
        let stayed = |s: &&Sample| s.stays_in(&redactor.clean(&s.text));
        let missed: Vec<&Sample> = samples.iter().filter(stayed).collect();
        Self {
            name: name.into(),
            texts: samples.len(),
            clean: samples.len() - missed.len(),
            missed: missed.first().map(|s| s.text.clone()),
        }
    }
}

impl Sample {
    /// Whether eight letters in a row of something secret are still there, or all of what is shorter. What the text
    /// says beside it as well, such as a vendor's name in front of its key, and the marks themselves, tell nothing.
    #[must_use]
    pub fn stays_in(&self, clean: &str) -> bool {
        let clean = without_marks(clean);
        self.secrets.iter().any(|s| self.keeps(s, &clean))
    }

    fn keeps(&self, secret: &str, clean: &str) -> bool {
        let around = self.text.replace(secret, "\n");
        let letters: Vec<char> = secret.chars().collect();
        let runs = letters.windows(letters.len().clamp(1, 8));
        let mut own = runs
            .map(|run| run.iter().collect::<String>())
            .filter(|run| !around.contains(run))
            .peekable();
        if own.peek().is_none() {
            return clean.contains(secret);
        }
        own.any(|run| clean.contains(&run))
    }
}

fn without_marks(clean: &str) -> String {
    let mut pieces = clean.split("[redacted:");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| {
        let behind = piece.split_once(']').map_or("", |(_, rest)| rest);
        out + "\n" + behind
    })
}

/// Real texts without secrets that memory changed, of all of these.
#[must_use]
pub fn spoiled(texts: &[String]) -> Vec<&String> {
    let redactor = Redactor::new("a key");
    let changed = |t: &&String| redactor.clean(t) != **t;
    texts.iter().filter(changed).collect()
}

/// Real texts that memory would hold back as orders, with the reason.
#[must_use]
pub fn held_back(texts: &[String]) -> Vec<(&String, &'static str)> {
    let held = |t: &'_ String| sandbox_elf::suspect::reason(t);
    texts.iter().filter_map(|t| Some((t, held(t)?))).collect()
}

/// The samples of a format.
#[must_use]
pub fn samples(number: usize, count: usize) -> Vec<Sample> {
    let parts = formats().nth(number).map_or(&[][..], |(_, parts)| parts);
    let mut by = Chance::new(1_000 + number as u64);
    (0..count).map(|_| sample(parts, &mut by)).collect()
}

/// What memory finds of each format.
#[must_use]
pub fn by_format(count: usize) -> Vec<Found> {
    let each = formats().enumerate();
    each.map(|(number, (name, _))| Found::among(name, &samples(number, count)))
        .collect()
}

fn sample(parts: &[Part], by: &mut Chance) -> Sample {
    let (mut text, mut secrets) = (String::new(), Vec::new());
    for part in parts {
        let said = match *part {
            Part::Is(said) => said.into(),
            Part::One(of) => by.one(of).into(),
            Part::Open(alphabet, least, most) | Part::Secret(alphabet, least, most) => {
                by.text(alphabet, least, most)
            }
            Part::Made(made) => made(by),
        };
        text += &said;
        match part {
            // Head and foot of a key in text are not secret, nor is the break between its lines.
            Part::Made(_) if said.starts_with("-----") => {
                let lines = said.split(['\n', '\\']).filter(|l| !l.starts_with("-----"));
                secrets.extend(lines.map(|l| l.trim_start_matches('n').to_owned()));
                secrets.retain(|l| l.len() >= 8 && !l.starts_with("-----"));
            }
            // Three letters say nothing.
            Part::Secret(..) if said.len() < 8 => {}
            // What a token says of itself stays unknown too, but head and name can be guessed.
            Part::Made(_) if said.starts_with("ey") => {
                secrets.extend(said.rsplit('.').next().map(str::to_owned));
            }
            Part::Secret(..) | Part::Made(_) => secrets.push(said),
            Part::Is(_) | Part::One(_) | Part::Open(..) => {}
        }
    }
    if text.contains(": \"") {
        text.push('"');
    }
    let around = by.one(AROUND);
    Sample {
        text: around.replace("{}", &text),
        secrets,
    }
}
