//! What a candidate does next, from what it saw and when it saw it. Reads no clock and reaches nothing.
//!
//! Why there are never two leaders: a leader leads until `renew` after it *sent* its last acknowledged write. Who
//! would take over has seen that write, or a later one, only after it was sent, and waits `lease` from then. So as
//! long as no clock runs more than `lease / renew` times as fast as another, the leader is done before. Who decides
//! from an older record loses: its write names the version it saw.
//!
//! A Lease that is missing names no version, so whoever makes one leads nothing by that: it is made in the name of
//! [`NOBODY`], and for that name all wait as for any other. Who led over an object that was removed, however often that
//! happens, is done before anybody leads over a later one.

use std::time::Duration;

use super::clock::Moment;

/// In whose name a Lease is made that was missing. No candidate is called so.
pub const NOBODY: &str = "nobody";

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long others wait for a leader that is silent.
    pub lease: Duration,
    /// How long a leader that cannot renew goes on.
    pub renew: Duration,
    /// How often it is tried to renew or to take over.
    pub retry: Duration,
}

/// Times with which there could be two leaders, or none that lasts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "read the times of the election: the retry ({retry:?}) must be shorter than half of the renew deadline ({renew:?}), and that at most two thirds of the lease ({lease:?}), which is whole seconds"
)]
pub struct BadTerms {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

impl Terms {
    /// These times, where they keep the distance that the promise needs.
    ///
    /// # Errors
    /// They do not.
    pub fn new(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, BadTerms> {
        let apart = renew * 3 <= lease * 2 && retry * 2 < renew && !retry.is_zero();
        let whole = lease.subsec_nanos() == 0 && i32::try_from(lease.as_secs()).is_ok();
        if !apart || !whole {
            return Err(BadTerms {
                lease,
                renew,
                retry,
            });
        }
        Ok(Self {
            lease,
            renew,
            retry,
        })
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What stands in the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who leads; nobody where it was given back.
    pub holder: Option<String>,
    /// How long others wait for the holder.
    pub lease: Duration,
    /// How often leadership has begun: who leads has a higher number than all before.
    pub term: u32,
    /// The version of the object; none where there is no object.
    pub version: Option<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make the record that is missing, in nobody's name.
    Make,
    /// Write oneself into the record that was seen, with this term.
    Take(u32),
    /// Write the same again.
    Renew(u32),
    /// Somebody else may lead until then.
    Wait(Moment),
}

#[derive(Clone, Copy, Debug)]
struct Leading {
    term: u32,
    until: Moment,
}

/// One of those who would lead, and all that it knows.
#[derive(Clone, Debug)]
pub struct Candidate {
    me: String,
    terms: Terms,
    seen: Option<(Record, Moment)>,
    leading: Option<Leading>,
}

impl Candidate {
    /// A candidate that has seen nothing. Its name is no other's, also not that of an earlier run of itself.
    #[must_use]
    pub const fn new(me: String, terms: Terms) -> Self {
        Self {
            me,
            terms,
            seen: None,
            leading: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.me
    }

    /// The record that was seen last.
    #[must_use]
    pub fn seen(&self) -> Option<&Record> {
        self.seen.as_ref().map(|(record, _)| record)
    }

    /// Notes what stands there. Only a change counts: then its holder was alive.
    pub fn saw(&mut self, record: Record, now: Moment) {
        let before = self.seen();
        if before.is_some_and(|b| b.version == record.version) {
            return;
        }
        let record = match before {
            // Somebody removed it: its time and terms go on from there. A leader leads until its own time is over.
            Some(before) if record.version.is_none() => Record {
                version: None,
                ..before.clone()
            },
            // One that was made anew may count from the beginning.
            Some(before) => Record {
                term: record.term.max(before.term),
                ..record
            },
            None => record,
        };
        let holder = record.holder.as_deref();
        let another = holder != Some(&*self.me) && holder != Some(NOBODY);
        if another && record.version.is_some() {
            self.resign();
        }
        self.seen = Some((record, now));
    }

    /// What to do now with the record that was seen last; nothing is known before it was looked.
    #[must_use]
    pub fn decide(&self, now: Moment) -> Option<Decision> {
        let (record, at) = self.seen.as_ref()?;
        if record.version.is_none() {
            return Some(Decision::Make);
        }
        if let Some(term) = self.leads(now) {
            return Some(Decision::Renew(term));
        }
        let ours = record.holder.as_deref() == Some(&*self.me);
        let free = ours || record.holder.is_none();
        let until = *at + record.lease;
        if free || now >= until {
            return Some(Decision::Take(record.term.saturating_add(1)));
        }
        Some(Decision::Wait(until))
    }

    /// Notes that a write of ours was acknowledged: what stands there now, and when it was sent.
    pub fn wrote(&mut self, record: Record, sent: Moment, now: Moment) {
        let holder = record.holder.as_deref();
        if holder == Some(&*self.me) {
            self.leading = Some(Leading {
                term: record.term,
                until: sent + self.terms.renew,
            });
        } else if holder != Some(NOBODY) {
            self.resign();
        }
        self.seen = Some((record, now));
    }

    /// The term in which it leads now, if it does.
    #[must_use]
    pub fn leads(&self, now: Moment) -> Option<u32> {
        let leading = self.leading.filter(|l| now < l.until);
        leading.map(|l| l.term)
    }

    /// Until when it leads without another renewal.
    #[must_use]
    pub fn leads_until(&self) -> Option<Moment> {
        self.leading.map(|l| l.until)
    }

    /// Leads no more, whatever stands in the record.
    pub const fn resign(&mut self) {
        self.leading = None;
    }

    /// What to write for this decision; nothing for waiting.
    #[must_use]
    pub fn written(&self, decision: Decision) -> Option<Record> {
        let seen = self.seen()?;
        let mine = |term| Record {
            holder: Some(self.me.clone()),
            lease: self.terms.lease,
            term,
            version: seen.version.clone(),
        };
        match decision {
            Decision::Make => Some(Record {
                holder: Some(NOBODY.to_owned()),
                // Of those who may still lead over the one that was removed.
                lease: self.terms.lease.max(seen.lease),
                ..seen.clone()
            }),
            Decision::Take(term) | Decision::Renew(term) => Some(mine(term)),
            Decision::Wait(_) => None,
        }
    }
}
