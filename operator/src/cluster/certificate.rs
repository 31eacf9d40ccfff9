//! The certificate by which runners know the seat service: an authority of our own and a certificate that it signed.
//! Pure but for the randomness of keys.
//!
//! A pod is given the authorities when it begins and keeps them to its end, so an authority lasts for years, and one
//! that is replaced stays among those that are given until it has run out.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use x509_parser::{extensions::GeneralName, pem::parse_x509_pem, prelude::X509Certificate};

const DAY: Duration = Duration::from_hours(24);
/// How long an authority lasts, and how much before its end the next one takes over.
const AUTHORITY: (Duration, Duration) = (
    Duration::from_hours(24 * 3650),
    Duration::from_hours(24 * 365),
);
/// The same of the certificate.
const LEAF: (Duration, Duration) = (Duration::from_hours(24 * 90), Duration::from_hours(24 * 30));

/// Everything that is kept of it, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The authorities by which runners know it, the one in use first.
    pub authorities: String,
    /// The key of the first.
    pub authority_key: String,
    /// The certificate.
    pub leaf: String,
    /// Its key.
    pub key: String,
}

impl Certificate {
    /// What is to stand from now on for these names; nothing where this is well as it is.
    ///
    /// # Errors
    /// None can be made.
    pub fn renewed(before: Option<Self>, names: &[String], now: Timestamp) -> Result<Option<Self>> {
        let Some(kept) = before else {
            return Self::of_new_authority(now)?.signed(names, now).map(Some);
        };
        if !kept.lasts(names, now) {
            let able = kept.can_sign(now, LEAF.0);
            let by = if able {
                kept
            } else {
                kept.with_new_authority(now)?
            };
            return by.signed(names, now).map(Some);
        }
        if kept.can_sign(now, AUTHORITY.1) {
            return Ok(None);
        }
        // What it signed stays for a while, so that pods that know only the old one go on.
        kept.with_new_authority(now).map(Some)
    }

    /// The same with a new authority before those that last.
    fn with_new_authority(self, now: Timestamp) -> Result<Self> {
        let new = Self::of_new_authority(now)?;
        let old = blocks(&self.authorities);
        let old = old.filter(|text| ends(text).is_some_and(|end| end > now));
        let authorities = old.fold(new.authorities, |all, text| all + text);
        Ok(Self {
            authorities,
            authority_key: new.authority_key,
            ..self
        })
    }

    /// Whether its first authority can be used, and for this long.
    fn can_sign(&self, now: Timestamp, long: Duration) -> bool {
        let first = blocks(&self.authorities).next();
        let lasts = first.is_some_and(|text| lasts(text, now, long));
        lasts && KeyPair::from_pem(&self.authority_key).is_ok()
    }

    /// Whether the certificate is these names' and is not to be renewed.
    fn lasts(&self, names: &[String], now: Timestamp) -> bool {
        let Some(text) = blocks(&self.leaf).next() else {
            return false;
        };
        let has = names_of(text);
        lasts(text, now, LEAF.1)
            && has.is_some_and(|has| names.iter().all(|name| has.contains(name)))
            && KeyPair::from_pem(&self.key).is_ok()
    }

    fn of_new_authority(now: Timestamp) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Told apart by their keys; the name is for people.
        let name = "Multi-Agent Sandbox seat service";
        params.distinguished_name.push(DnType::CommonName, name);
        span(&mut params, now, AUTHORITY.0);
        let key = KeyPair::generate().context("made a key")?;
        let made = params.self_signed(&key).context("made an authority")?;
        Ok(Self {
            authorities: made.pem(),
            authority_key: key.serialize_pem(),
            leaf: String::new(),
            key: String::new(),
        })
    }

    fn signed(self, names: &[String], now: Timestamp) -> Result<Self> {
        let by = KeyPair::from_pem(&self.authority_key).context("read the authority's key")?;
        let by = Issuer::from_ca_cert_pem(&self.authorities, by).context("read the authority")?;
        let mut params = CertificateParams::new(names).context("read the service's names")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        if let Some(name) = names.first() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        span(&mut params, now, LEAF.0);
        let key = KeyPair::generate().context("made a key")?;
        let made = params
            .signed_by(&key, &by)
            .context("signed a certificate")?;
        Ok(Self {
            leaf: made.pem(),
            key: key.serialize_pem(),
            ..self
        })
    }
}

/// From a day ago, for clocks that differ.
fn span(params: &mut CertificateParams, now: Timestamp, lasts: Duration) {
    let epoch = date_time_ymd(1970, 1, 1);
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let now = epoch + Duration::from_secs(seconds);
    params.not_before = now - DAY;
    params.not_after = now + lasts;
}

/// Each certificate of a text, as it stands there.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("-----BEGIN ").map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([text.len()]);
    starts.zip(ends).map(|(from, to)| &text[from..to])
}

fn parsed<T>(text: &str, of: impl FnOnce(&X509Certificate) -> Option<T>) -> Option<T> {
    let (_, pem) = parse_x509_pem(text.as_bytes()).ok()?;
    of(&pem.parse_x509().ok()?)
}

fn ends(text: &str) -> Option<Timestamp> {
    let end = parsed(text, |read| Some(read.validity().not_after.timestamp()));
    Timestamp::from_second(end?).ok()
}

fn lasts(text: &str, now: Timestamp, long: Duration) -> bool {
    ends(text).is_some_and(|end| now.checked_add(long).is_ok_and(|then| then < end))
}

fn names_of(text: &str) -> Option<Vec<String>> {
    parsed(text, |read| {
        let names = read.subject_alternative_name().ok()??;
        let names = names.value.general_names.iter().map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
        Some(names.flatten().collect())
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| v6()).ok().map(|ip| ip.to_string())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["seat.sys.svc", "127.0.0.1"].map(str::to_owned).into()
    }

    fn at(days: u32) -> Timestamp {
        "2026-11-30T00:00:00Z".parse::<Timestamp>().unwrap() + DAY * days
    }

    fn first() -> Certificate {
        let made = Certificate::renewed(None, &names(), at(0)).unwrap();
        made.unwrap()
    }

    fn next(before: &Certificate, day: u32) -> Option<Certificate> {
        Certificate::renewed(Some(before.clone()), &names(), at(day)).unwrap()
    }

    #[test]
    fn it_stays_as_it_is_until_a_month_before_its_end_and_its_authority_for_years() {
        let first = first();
        assert_eq!(next(&first, 59), None);
        let second = next(&first, 61).unwrap();
        assert_ne!(second.leaf, first.leaf);
        assert_eq!(second.authorities, first.authorities);
        assert_eq!(ends(&second.leaf), Some(at(61 + 90)));
    }

    #[test]
    fn another_name_asks_for_another_certificate_and_a_name_less_does_not() {
        let first = first();
        let renewed = |names: &[String]| {
            let before = Some(first.clone());
            Certificate::renewed(before, names, at(1)).unwrap()
        };
        assert!(renewed(&["other".to_owned()]).is_some());
        assert_eq!(renewed(&names()[..1]), None);
    }

    #[test]
    fn a_new_authority_comes_beside_the_old_one_before_anything_is_signed_by_it() {
        let mut kept = first();
        let (mut day, mut before) = (0, kept.clone());
        while kept.authorities == before.authorities {
            day += 10;
            before = kept.clone();
            kept = next(&kept, day).unwrap_or(kept);
        }
        assert!((3650 - 365..3650 - 300).contains(&day), "{day}");
        // Who was given the old one alone is served as before, for a month at least.
        assert_eq!(kept.leaf, before.leaf);
        assert!(kept.authorities.ends_with(&before.authorities));
        assert!(ends(&kept.leaf).unwrap() > at(day + 30));
        let mut later = day;
        while kept.leaf == before.leaf {
            later += 10;
            kept = next(&kept, later).unwrap_or(kept);
        }
        assert_eq!(blocks(&kept.authorities).count(), 2);
        // The old one goes when it has run out and the next one comes.
        let much_later = next(&kept, day + 3650).unwrap();
        assert_eq!(blocks(&much_later.authorities).count(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_made_anew() {
        let first = first();
        let broken = [
            Certificate {
                key: "x".to_owned(),
                ..first.clone()
            },
            Certificate {
                leaf: "x".to_owned(),
                ..first.clone()
            },
            Certificate {
                authority_key: String::new(),
                leaf: String::new(),
                ..first.clone()
            },
            Certificate {
                authorities: "-----BEGIN CERTIFICATE-----".to_owned(),
                leaf: String::new(),
                ..first
            },
        ];
        for broken in broken {
            let made = next(&broken, 1).unwrap();
            assert_eq!(next(&made, 1), None);
        }
    }
}
