//! Leave to start a seat. They are kept in this process alone: one that was given before a restart opens nothing, and
//! one that is too old neither, so that a start which was held up on its way cannot come later.

use std::collections::HashMap;

use sandbox_core::Seat;

use super::wire::TICKET;
use crate::lead::Moment;

/// Most seats that have tickets at a time, and most tickets of one; what is old is forgotten.
const MOST: usize = 10_000;
const OF_A_SEAT: usize = 100;

/// The tickets that are out, by their seats.
#[derive(Debug, Default)]
pub(super) struct Tickets(HashMap<Seat, Vec<(String, Moment)>>);

impl Tickets {
    /// Gives leave to start this seat.
    pub(super) fn give(&mut self, seat: &Seat, now: Moment) -> Option<String> {
        if self.0.len() >= MOST {
            self.0
                .retain(|_, all| all.iter().any(|(_, until)| now < *until));
        }
        if self.0.len() >= MOST {
            return None;
        }
        let of_seat = self.0.entry(seat.clone()).or_default();
        of_seat.retain(|(_, until)| now < *until);
        if of_seat.len() >= OF_A_SEAT {
            return None;
        }
        let ticket = uuid::Uuid::new_v4().simple().to_string();
        of_seat.push((ticket.clone(), now + TICKET));
        Some(ticket)
    }

    /// Whether this ticket is good for this seat now.
    pub(super) fn good(&self, seat: &Seat, ticket: &str, now: Moment) -> bool {
        let mut out = self.0.get(seat).into_iter().flatten();
        out.any(|(known, until)| known == ticket && now < *until)
    }

    /// Takes back what was given for this seat.
    pub(super) fn revoke(&mut self, seat: &Seat) {
        self.0.remove(seat);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seat(attempt: u32) -> Seat {
        let seat = format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/{attempt}");
        seat.parse().unwrap()
    }

    #[test]
    fn a_ticket_is_good_for_its_own_seat_and_for_a_minute() {
        let mut tickets = Tickets::default();
        let begun = Duration::from_secs(1000);
        let ticket = tickets.give(&seat(1), begun).unwrap();
        let last = begun + Duration::from_secs(59);
        assert!(tickets.good(&seat(1), &ticket, last));
        assert!(!tickets.good(&seat(1), &ticket, begun + TICKET));
        assert!(!tickets.good(&seat(2), &ticket, begun));
        assert!(!tickets.good(&seat(1), "other", begun));
    }

    #[test]
    fn tickets_that_were_taken_back_open_nothing() {
        let mut tickets = Tickets::default();
        let now = Duration::from_secs(1);
        let both = [(); 2].map(|()| tickets.give(&seat(1), now).unwrap());
        assert!(both.iter().all(|t| tickets.good(&seat(1), t, now)));
        tickets.revoke(&seat(1));
        assert!(!both.iter().any(|t| tickets.good(&seat(1), t, now)));
    }

    #[test]
    fn of_one_seat_there_are_only_so_many() {
        let mut tickets = Tickets::default();
        let now = Duration::from_secs(1);
        let given = (0..OF_A_SEAT + 5).filter_map(|_| tickets.give(&seat(1), now));
        assert_eq!(given.count(), OF_A_SEAT);
        assert!(tickets.give(&seat(1), now + TICKET).is_some());
    }

    #[test]
    fn a_process_that_was_started_anew_knows_no_ticket() {
        let now = Duration::from_secs(1);
        let ticket = Tickets::default().give(&seat(1), now).unwrap();
        assert!(!Tickets::default().good(&seat(1), &ticket, now));
    }
}
