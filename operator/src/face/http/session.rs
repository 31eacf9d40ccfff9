//! Sessions of browsers, which cannot send a key with a page: who showed a key once holds a cookie
//! for a while. Kept in memory as digests; a restart, or a key that is taken away, ends them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, Method, header};
use sandbox_core::Tenant;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::auth::{KeyDigest, Keys};

/// How long a session lasts.
const LASTS: Duration = Duration::from_hours(12);
/// Most sessions; the one that ends first makes room.
const MOST: usize = 1000;
/// How a proxy says which scheme the browser used; the server says so itself where it speaks TLS.
pub(super) const SCHEME: &str = "x-forwarded-proto";
/// The cookie's name.
const COOKIE: &str = "sandbox_session";

/// Who is logged in.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    key: KeyDigest,
    ends: Instant,
}

impl Sessions {
    /// Begins a session of whoever showed this key; gives the text of the cookie, which goes over
    /// TLS alone where the browser came by TLS.
    pub fn begin(&self, key: KeyDigest, headers: &HeaderMap) -> String {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let ends = Instant::now() + LASTS;
        let mut all = self.lock();
        all.retain(|_, s| s.ends > Instant::now());
        let first = all.iter().min_by_key(|(_, s)| s.ends).map(|(id, _)| *id);
        if let Some(first) = first.filter(|_| all.len() >= MOST) {
            all.remove(&first);
        }
        all.insert(digest(&token), Session { key, ends });
        set(&token, LASTS, headers)
    }

    /// Who sends this request, when it only reads and its session lasts and its key is still known.
    pub fn caller(&self, method: &Method, headers: &HeaderMap, keys: &Keys) -> Option<Tenant> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let id = digest(sent(headers)?);
        let key = {
            let mut all = self.lock();
            all.retain(|_, s| s.ends > Instant::now());
            all.get(&id)?.key
        };
        keys.tenant_of(&key)
    }

    /// Ends the session of this request; gives the text that takes the cookie away.
    pub fn end(&self, headers: &HeaderMap) -> String {
        if let Some(token) = sent(headers) {
            self.lock().remove(&digest(token));
        }
        set("", Duration::ZERO, headers)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(token: &str, lasts: Duration, headers: &HeaderMap) -> String {
    let seconds = lasts.as_secs();
    let secure = if by_tls(headers) { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Whether the browser spoke TLS, to this server or to a proxy before it. Whoever forges the header
/// gets a cookie that is sent less often.
fn by_tls(headers: &HeaderMap) -> bool {
    headers.get(SCHEME).is_some_and(|v| v == "https")
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn sent(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let pairs = all
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut ours = named.filter(|(name, _)| *name == COOKIE);
    ours.next().map(|(_, token)| token)
}
