//! Why there is nothing to do about a job now, in a word and in a sentence.

/// Why there is nothing to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is something to do.
    Acting,
    /// No slot is free for it.
    WaitingForSlot {
        /// Its place among those that wait, from 1.
        position: u32,
    },
    /// No machine outside of the cluster can take it now.
    WaitingForHost {
        /// What there is, and what to do.
        why: String,
    },
    /// The last attempt failed; the next one starts later.
    BackingOff,
    /// `spec.suspend`
    Suspended,
    /// The whole deployment begins no attempt.
    Paused,
    /// Launched; nobody has claimed the seat yet.
    WaitingForClaim,
    /// The place is not ready to launch it and is being made so.
    Preparing {
        /// What is done.
        what: String,
    },
    /// A runner is at work.
    Working,
    /// The work is over; the runner has its time to leave by itself.
    Leaving,
    /// It is asked to end and has not ended yet.
    Stopping,
    /// The claimant shows nothing; it may come back.
    Vanished,
    /// The back end cannot be asked, and Unknown is never taken for dead.
    Unknown {
        /// What was attempted and seen.
        why: String,
    },
    /// Another site has it, and only that one sees it.
    Elsewhere {
        /// Which.
        site: String,
    },
    /// No site here offers its back end; another may.
    NotOffered,
    /// Memory cannot keep the outcome yet.
    WaitingForMemory,
    /// Over, recorded, kept.
    Finished,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acting => f.write_str("at it"),
            Self::WaitingForSlot { position } => {
                write!(f, "waiting for a slot, position {position}")
            }
            Self::WaitingForHost { why } => f.write_str(why),
            Self::BackingOff => f.write_str("backing off after a failed attempt"),
            Self::Suspended => f.write_str("suspended"),
            Self::Paused => {
                f.write_str("the deployment is paused; `sandbox cloud resume` has it go on")
            }
            Self::WaitingForClaim => f.write_str("launched, waiting for the runner"),
            Self::Preparing { what } => f.write_str(what),
            Self::Working => f.write_str("working"),
            Self::Leaving => f.write_str("the work is over, the runner is leaving"),
            Self::Stopping => f.write_str("stopping"),
            Self::Vanished => {
                f.write_str("the runner is not to be seen; waiting before it counts as lost")
            }
            Self::Unknown { why } => write!(f, "the back end cannot be asked: {why}"),
            Self::Elsewhere { site } => write!(f, "at work at site {site}"),
            Self::NotOffered => f.write_str("its back end is not offered here"),
            Self::WaitingForMemory => f.write_str("waiting for memory to keep the outcome"),
            Self::Finished => f.write_str("finished"),
        }
    }
}
