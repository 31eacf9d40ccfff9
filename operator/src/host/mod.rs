//! What a machine offers to control planes elsewhere: it starts, sees, stops and forgets seats that it is asked for, and
//! passes on what their runners say. It decides nothing: no plan, no retry, no time to live. Two things it does by
//! itself: a start needs a ticket of a minute, and a seat that nobody has acknowledged for its lease is ended.
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | what is asked and answered |
//! | `door` | the way in for control planes: HTTPS with a token |
//! | `tickets` | leave for single starts |
//! | `mailbox` | what runners say, until it is answered |
//! | `relay` | the way in for runners: a socket |
//! | `record` | what is kept of a seat on the disk |
//! | `papers` | the certificate and the token by which it is known, made at the first use |
//! | `keeping` | the seats that are there, and the end of those that nobody acknowledges |

mod door;
mod keeping;
mod mailbox;
pub mod papers;
mod record;
mod relay;
mod tickets;
pub mod wire;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sandbox_core::{
    Claim, FailureClass, Register, Seat, Uid,
    plan::slots::Room,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
};
use tokio::sync::mpsc;

use crate::{control::Waker, lead::now, seats::files::sync, watch::Watches};
use mailbox::Mailbox;
use record::Record;
use tickets::Tickets;
use wire::{About, Start, TICKET, Ticket, VERSION};

pub use door::{digest, router};
pub use relay::relay;

/// Starts and ends of as many seats at a time that differ in this.
const TURNS: usize = 16;

/// What a machine is made of.
pub struct MachineConfig {
    /// The places it offers.
    pub places: BTreeMap<BackendName, Arc<dyn Backend>>,
    /// The seat root of these places.
    pub seats: PathBuf,
    /// Slots there are.
    pub slots: u32,
    /// Its release.
    pub release: String,
}

/// The seats of control planes elsewhere, on this machine.
pub struct Machine {
    conf: MachineConfig,
    instance: String,
    tickets: Mutex<Tickets>,
    mailbox: Mailbox,
    kept: Mutex<BTreeMap<Seat, Record>>,
    turns: [tokio::sync::Mutex<()>; TURNS],
    watches: Watches,
}

impl Machine {
    /// The machine, with the seats that are there already. `waker` is what the places wake; what it wakes is to be given
    /// to [`Machine::keep`].
    ///
    /// # Errors
    /// The seats cannot be read.
    pub fn open(conf: MachineConfig, waker: Waker) -> Answer<Arc<Self>> {
        let failed = |e| PortError::Unknown(format!("read the seats of this machine: {e}"));
        let kept = record::all(&conf.seats).map_err(failed)?;
        Ok(Arc::new(Self {
            conf,
            instance: uuid::Uuid::new_v4().simple().to_string(),
            tickets: Mutex::default(),
            mailbox: Mailbox::new(),
            kept: Mutex::new(kept.into_iter().collect()),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            watches: Watches::new(waker),
        }))
    }

    /// Ends what nobody acknowledges and passes on what changed, until nobody wakes any more.
    pub async fn keep(self: Arc<Self>, calls: mpsc::UnboundedReceiver<Uid>) {
        keeping::run(&self, calls).await;
    }

    fn about(&self) -> About {
        About {
            version: VERSION,
            release: self.conf.release.clone(),
            instance: self.instance.clone(),
            backends: self.conf.places.keys().copied().collect(),
            slots: self.conf.slots,
            free: self.conf.slots.saturating_sub(taken(&self.kept())),
            now: jiff::Timestamp::now(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Seat, Record>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of this owner's seat.
    fn record(&self, owner: &str, seat: &Seat) -> Answer<Option<Record>> {
        match self.kept().get(seat).cloned() {
            Some(record) if record.owner != owner => Err(PortError::refused(
                FailureClass::Infrastructure,
                format!("seat {seat} is of another control plane"),
            )),
            found => Ok(found),
        }
    }

    fn place(&self, backend: BackendName) -> Answer<&Arc<dyn Backend>> {
        let missing = || {
            let text = format!("this machine does not offer {}", backend.word());
            PortError::refused(FailureClass::Infrastructure, text)
        };
        self.conf.places.get(&backend).ok_or_else(missing)
    }

    /// Waits for the turn of a seat: one start or end of it at a time.
    async fn turn(&self, seat: &Seat) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = seat
            .uid
            .as_str()
            .bytes()
            .fold(0_usize, |sum, b| sum.wrapping_add(b.into()));
        self.turns[sum % TURNS].lock().await
    }

    fn ticket(&self, owner: &str, seat: &Seat) -> Answer<Ticket> {
        self.record(owner, seat)?;
        let ticket = self.tickets().give(seat, now());
        let full = || PortError::Unknown("too many tickets are out; ask again".to_owned());
        Ok(Ticket {
            ticket: ticket.ok_or_else(full)?,
            valid_ms: u64::try_from(TICKET.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Starts a seat, once: what is there is left as it is.
    async fn start(&self, owner: &str, seat: &Seat, start: Start) -> Answer<()> {
        let _turn = self.turn(seat).await;
        let place = self.place(start.brief.backend)?;
        let before = self.record(owner, seat)?;
        if let Some(record) = &before
            && self.is_there(record, place, seat).await?
        {
            return Ok(());
        }
        if start.brief.seat != *seat {
            let text = "the brief is of another seat";
            return Err(PortError::refused(FailureClass::InvalidSpec, text));
        }
        if !self.tickets().good(seat, &start.ticket, now()) {
            let text =
                format!("start seat {seat}: its ticket is not good any more; ask for another");
            return Err(PortError::Unknown(text));
        }
        if before.is_none() {
            self.note(owner, &start)?;
        }
        let launched = place.launch(&start.brief).await;
        if matches!(launched, Err(PortError::Refused(_))) && before.is_none() {
            self.forget(seat)?;
        }
        launched
    }

    /// Whether something of a seat that was started is there; one that was ended here is not begun again.
    async fn is_there(
        &self,
        record: &Record,
        place: &Arc<dyn Backend>,
        seat: &Seat,
    ) -> Answer<bool> {
        if record.over {
            let text = format!("seat {seat} was ended: nobody had acknowledged it for its lease");
            return Err(PortError::refused(FailureClass::Infrastructure, text));
        }
        let look = place.look(seat, self.claim(seat)?.as_ref()).await?;
        Ok(!look.sightings.is_empty() || look.remains > 0)
    }

    fn claim(&self, seat: &Seat) -> Answer<Option<Claim>> {
        Ok(match sync::register(&self.conf.seats, seat)? {
            Register::Claimed(claim) => Some(claim),
            Register::Open | Register::Closed(_) => None,
        })
    }

    /// Writes down whose a seat is before it is started, where there is room for it: of two that come at once the
    /// second sees what the first has taken.
    fn note(&self, owner: &str, start: &Start) -> Answer<()> {
        let (seat, mut kept) = (&start.brief.seat, self.kept());
        let room = Room {
            slots: self.conf.slots,
            held: taken(&kept),
            wanted_ahead: 0,
        };
        let units = room.given(&start.brief.spec);
        if !room.fits(units) {
            let text = format!(
                "start seat {seat}: {} of {} slots of this machine are taken",
                room.held, room.slots
            );
            return Err(PortError::Unknown(text));
        }
        let what = (start.brief.backend, units);
        let record = Record::new(owner, what, start.lease_ms, now());
        record.put(&self.conf.seats, seat)?;
        kept.insert(seat.clone(), record);
        Ok(())
    }

    async fn look(&self, owner: &str, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        match self.record(owner, seat)? {
            Some(record) => self.place(record.backend)?.look(seat, claim).await,
            None => Ok(Look::default()),
        }
    }

    /// Asks instances to end. A start that was asked for before this does not come any more.
    async fn stop(&self, owner: &str, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        let _turn = self.turn(seat).await;
        let record = self.record(owner, seat)?;
        self.tickets().revoke(seat);
        match record {
            Some(record) => self.place(record.backend)?.stop(seat, keep).await,
            None => Ok(()),
        }
    }

    /// Ends and forgets all that was begun for a seat.
    async fn reap(&self, owner: &str, seat: &Seat) -> Answer<()> {
        let _turn = self.turn(seat).await;
        let record = self.record(owner, seat)?;
        self.tickets().revoke(seat);
        let Some(record) = record else { return Ok(()) };
        self.place(record.backend)?.reap(seat).await?;
        self.forget(seat)
    }

    fn forget(&self, seat: &Seat) -> Answer<()> {
        record::forget(&self.conf.seats, seat)?;
        self.kept().remove(seat);
        Ok(())
    }

    async fn logs(&self, owner: &str, seat: &Seat, piece: wire::Piece) -> Answer<LogChunk> {
        let missing = || PortError::NotFound(format!("seat {seat} has no log yet"));
        let record = self.record(owner, seat)?.ok_or_else(missing)?;
        let place = self.place(record.backend)?;
        place.logs(seat, piece.from, piece.limit).await
    }
}

/// Slots of seats that are not over.
fn taken(kept: &BTreeMap<Seat, Record>) -> u32 {
    kept.values().filter(|r| !r.over).map(|r| r.slots).sum()
}
