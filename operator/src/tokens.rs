//! Tokens of seats that we make ourselves: whoever holds one may speak for one seat of one tenant until a time. What a
//! token says is signed with a key that all replicas have; none is written down.

use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sandbox_core::{Seat, Tenant};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What ours begin with.
pub const MARK: &str = "seat1.";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The one seat.
    pub seat: Seat,
    /// Whose it is.
    pub tenant: Tenant,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Makes tokens and reads them.
#[derive(Clone)]
pub struct Tokens {
    key: Arc<Key>,
    owner: String,
}

impl Tokens {
    /// Of this secret, which must be known to nobody else.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let derived = |what: &str| {
            Sha256::new()
                .chain_update(what)
                .chain_update(secret)
                .finalize()
        };
        Self {
            key: Arc::new(Key::new(HMAC_SHA256, &derived("key of seats' tokens"))),
            owner: BASE64_URL_SAFE_NO_PAD.encode(&derived("owner of seats")[..12]),
        }
    }

    /// What those call us who share a place: the same for all replicas.
    #[must_use]
    pub fn owner(&self) -> String {
        self.owner.clone()
    }

    /// A token: the same for the same ticket, every time.
    #[must_use]
    pub fn issue(&self, seat: &Seat, tenant: &Tenant, until: Timestamp) -> String {
        let says = format!("{seat} {tenant} {}", until.as_second());
        let tag = sign(&self.key, says.as_bytes());
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!("{MARK}{}.{}", encode(says.as_bytes()), encode(tag.as_ref()))
    }

    /// What a token says, if it is ours and still good.
    #[must_use]
    pub fn ticket(&self, token: &str, now: Timestamp) -> Option<Ticket> {
        let (says, tag) = token.strip_prefix(MARK)?.split_once('.')?;
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let (says, tag) = (decode(says)?, decode(tag)?);
        verify(&self.key, &says, &tag).ok()?;
        let says = String::from_utf8(says).ok()?;
        let [seat, tenant, until] = says.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let ticket = Ticket {
            seat: seat.parse().ok()?,
            tenant: tenant.parse().ok()?,
            until: Timestamp::from_second(until.parse().ok()?).ok()?,
        };
        (now < ticket.until).then_some(ticket)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            seat: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2".parse().unwrap(),
            tenant: "team-a".parse().unwrap(),
            until: "2026-01-01T01:00:00Z".parse().unwrap(),
        }
    }

    fn issued(tokens: &Tokens) -> String {
        let t = ticket();
        tokens.issue(&t.seat, &t.tenant, t.until)
    }

    #[test]
    fn a_token_says_its_seat_to_whoever_has_the_key_until_its_time_is_over() {
        let tokens = Tokens::new(b"secret");
        let token = issued(&tokens);
        assert_eq!(token, issued(&Tokens::new(b"secret")), "replicas agree");
        let before = ticket().until - SignedDuration::from_secs(1);
        assert_eq!(tokens.ticket(&token, before), Some(ticket()));
        assert_eq!(tokens.ticket(&token, ticket().until), None);
        assert_eq!(Tokens::new(b"other").ticket(&token, before), None);
    }

    #[test]
    fn a_token_that_was_changed_is_none() {
        let tokens = Tokens::new(b"secret");
        let token = issued(&tokens);
        let now = Timestamp::UNIX_EPOCH;
        let other = issued(&Tokens::new(b"other"));
        let (head, _) = token.rsplit_once('.').unwrap();
        let (_, tag) = other.rsplit_once('.').unwrap();
        for odd in [
            &format!("{head}.{tag}"),
            head,
            "",
            "seat1..",
            "a.b",
            &token[6..],
        ] {
            assert_eq!(tokens.ticket(odd, now), None, "{odd}");
        }
    }

    #[test]
    fn an_owner_is_the_same_for_one_secret_and_says_nothing_of_it() {
        assert_eq!(Tokens::new(b"s").owner(), Tokens::new(b"s").owner());
        assert_ne!(Tokens::new(b"s").owner(), Tokens::new(b"t").owner());
        assert_eq!(Tokens::new(b"s").owner().len(), 16);
    }
}
