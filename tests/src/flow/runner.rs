//! Runners that play their part: claim, recall, heartbeat, work, report, record, through the seat
//! protocol as it is. They outlive the node and ask again when it does not answer.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header::CONTENT_TYPE},
};
use jiff::Timestamp;
use sandbox_core::{
    Brief, Claim, Failure, Heartbeat, Outcome, Register, Report, Seat, Usage,
    port::{RecallQuery, Receipt},
};
use sandbox_operator::face::seat::{Heard, Signed};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tower::ServiceExt;

use super::{
    story::{Deed, Ending, Story},
    world::World,
};

/// Seconds until a runner asks again that got no answer.
const ASK_AGAIN: u64 = 1;
/// The exit code of a runner whose seat is not its own.
const NOT_MINE: i32 = 75;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Claim,
    Recall,
    Beat,
    Work,
    Report,
    Record,
    Leave,
    /// Nothing more, until somebody ends it.
    Stay,
}

struct Runner {
    brief: Brief,
    instance: String,
    deed: Deed,
    step: Step,
    began: bool,
    next: Timestamp,
}

/// All runners of a story.
#[derive(Default)]
pub struct Crew(Vec<Runner>);

impl Crew {
    /// Every runner whose time has come does one step; says whether any did.
    pub async fn step(&mut self, world: &World, story: &Story, door: &Router) -> bool {
        self.hire(world, story);
        self.bury(world).await;
        let mut any = false;
        for n in 0..self.0.len() {
            if self.0[n].next > world.now() || self.0[n].step == Step::Stay {
                continue;
            }
            any = true;
            self.0[n].do_step(world, door).await;
            self.note_begin(n, world).await;
        }
        any
    }

    /// When the next one has something to do.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        let busy = self.0.iter().filter(|r| r.step != Step::Stay);
        busy.map(|r| r.next).min()
    }

    /// Whether a runner stands before its claim.
    #[must_use]
    pub fn has_unclaimed(&self) -> bool {
        self.0.iter().any(|r| r.step == Step::Claim)
    }

    /// Takes over the instances that were started.
    pub fn hire(&mut self, world: &World, story: &Story) {
        for (brief, instance) in world.started.lock().unwrap().drain(..) {
            let deed = (story.deed)(brief.seat.attempt);
            self.0.push(Runner {
                next: world.now() + Duration::from_secs(deed.claims_after),
                step: Step::Claim,
                began: false,
                brief,
                instance,
                deed,
            });
        }
    }

    /// Forgets those that were ended.
    async fn bury(&mut self, world: &World) {
        for runner in std::mem::take(&mut self.0) {
            if world.runs(&runner.brief.seat, &runner.instance).await {
                self.0.push(runner);
            }
        }
    }

    /// The work writes down that it began, and whether another seat of its job is at work too.
    async fn note_begin(&mut self, n: usize, world: &World) {
        if self.0[n].began || self.0[n].step != Step::Recall {
            return;
        }
        self.0[n].began = true;
        let attempt = self.0[n].brief.seat.attempt;
        world.began.lock().unwrap().push(attempt);
        for other in self.0.iter().filter(|r| r.began) {
            let seat = &other.brief.seat;
            if seat.attempt != attempt && world.runs(seat, &other.instance).await {
                let text = format!("attempts {} and {attempt} work together", seat.attempt);
                world.broken.lock().unwrap().push(text);
            }
        }
    }
}

impl Runner {
    async fn do_step(&mut self, world: &World, door: &Router) {
        match self.step {
            Step::Claim => self.claim(world, door).await,
            Step::Recall => {
                let query = RecallQuery::default();
                let _: Result<Receipt, u16> = self.say(door, "recall", query).await;
                self.step = Step::Beat;
            }
            Step::Beat => self.beat(world, door).await,
            Step::Work => self.end_work(world),
            Step::Report => self.report(world, door).await,
            Step::Record => {
                let _: Result<(), u16> = self.say(door, "record", ()).await;
                self.step = Step::Leave;
            }
            Step::Leave => self.exit(world, 0),
            Step::Stay => {}
        }
    }

    async fn claim(&mut self, world: &World, door: &Router) {
        let claim = Claim {
            nonce: self.nonce(),
            instance: self.instance.clone(),
            at: world.now(),
        };
        match post(door, &self.brief.seat, "claim", &claim).await {
            Ok(Register::Claimed(stands)) if stands.nonce == claim.nonce => {
                self.step = Step::Recall;
            }
            Ok(_) => self.exit(world, NOT_MINE),
            Err(_) => self.ask_again(world),
        }
    }

    async fn beat(&mut self, world: &World, door: &Router) {
        let beat = Heartbeat {
            at: world.now(),
            ..Heartbeat::default()
        };
        let _: Result<Heard, u16> = self.say(door, "heartbeat", beat).await;
        self.step = Step::Work;
        self.next = world.now() + Duration::from_secs(self.deed.works);
    }

    fn end_work(&mut self, world: &World) {
        let place = &world.place.inner;
        place.say(&self.brief.seat, "worked\n");
        match self.deed.ending {
            Ending::Succeeds | Ending::Fails(_) => self.step = Step::Report,
            Ending::Dies(remains) => {
                self.exit(world, 137);
                place.leave(&self.brief.seat, remains);
            }
            Ending::Vanishes => place.vanish(&self.brief.seat),
            Ending::Never => self.step = Step::Stay,
        }
    }

    async fn report(&mut self, world: &World, door: &Router) {
        let report = report(self.deed.ending, world.now());
        let answer: Result<(), u16> = self.say(door, "report", report).await;
        match answer {
            Ok(()) => self.step = Step::Record,
            Err(403) => self.exit(world, NOT_MINE),
            Err(_) => self.ask_again(world),
        }
    }

    fn ask_again(&mut self, world: &World) {
        self.next = world.now() + Duration::from_secs(ASK_AGAIN);
    }

    fn exit(&mut self, world: &World, code: i32) {
        world.place.inner.exit(&self.brief.seat, code);
        self.step = Step::Stay;
    }

    fn nonce(&self) -> String {
        format!("nonce of {}", self.instance)
    }

    async fn say<B: Serialize + Send + Sync, T: DeserializeOwned>(
        &self,
        door: &Router,
        verb: &str,
        body: B,
    ) -> Result<T, u16> {
        let nonce = self.nonce();
        post(door, &self.brief.seat, verb, &Signed { nonce, body }).await
    }
}

fn report(ending: Ending, now: Timestamp) -> Report {
    let failure = match ending {
        Ending::Fails(class) => Some(Failure::new(class, "it broke")),
        _ => None,
    };
    Report {
        outcome: failure
            .as_ref()
            .map_or(Outcome::Succeeded, |_| Outcome::Failed),
        failure,
        result: json!({"answer": 42}),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: now,
        finished_at: now,
    }
}

/// One call of the seat protocol; the code of the answer when it is no success.
async fn post<T: DeserializeOwned>(
    door: &Router,
    seat: &Seat,
    verb: &str,
    body: &(impl Serialize + Sync),
) -> Result<T, u16> {
    let path = format!("/v1/seats/{}/{}/{verb}", seat.uid, seat.attempt);
    let bytes = serde_json::to_vec(body).unwrap();
    let request = Request::post(path).header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(bytes)).unwrap();
    let answer = door.clone().oneshot(request).await.unwrap();
    let code = answer.status();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    if code.is_success() {
        Ok(serde_json::from_slice(&bytes).unwrap())
    } else {
        Err(code.as_u16())
    }
}
