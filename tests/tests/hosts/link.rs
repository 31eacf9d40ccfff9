//! Two network namespaces and one link between them: the control plane has one end, the machine the other. The link goes
//! down at every step of an attempt, for a moment or for longer than a lease. Never are two attempts at work, nothing that
//! was done is lost, and a seat that nobody acknowledges for its lease is ended.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sandbox_core::{AgentJob, Outcome, Seat};
use sandbox_tests::tower::{Hook, Kept, Machine, Tower};

/// How long a seat goes on without being acknowledged.
const LEASE: Duration = Duration::from_secs(12);
/// An outage that is over before the lease is.
const MOMENT: Duration = Duration::from_secs(3);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A link to a namespace of its own. Both end with this value.
struct Link {
    name: String,
    peer: String,
}

impl Link {
    fn new() -> Arc<Self> {
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let me = std::process::id();
        let name = format!("sbh{me}-{count}");
        let net = format!("10.{}.{}.{}", 64 + me % 64, me / 64 % 250, count * 4);
        let (ours, last) = net
            .rsplit_once('.')
            .map(|(n, l)| (n.to_owned(), l.parse::<u32>().unwrap()))
            .unwrap();
        let (ours, peer) = (
            format!("{ours}.{}", last + 1),
            format!("{ours}.{}", last + 2),
        );
        let link = Arc::new(Self { name, peer });
        let name = &link.name;
        let other = format!("{name}p");
        ip(&["netns", "add", name]);
        ip(&[
            "link", "add", name, "type", "veth", "peer", "name", &other, "netns", name,
        ]);
        ip(&["addr", "add", &format!("{ours}/30"), "dev", name]);
        ip(&["link", "set", name, "up"]);
        ip(&[
            "-n",
            name,
            "addr",
            "add",
            &format!("{}/30", link.peer),
            "dev",
            &other,
        ]);
        ip(&["-n", name, "link", "set", &other, "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        link
    }

    fn machine(&self) -> Machine {
        let address = format!("{}:7443", self.peer);
        Machine::at(&address, &["ip", "netns", "exec", &self.name])
    }

    fn down(&self) {
        ip(&["link", "set", &self.name, "down"]);
    }

    fn up(&self) {
        ip(&["link", "set", &self.name, "up"]);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut gone = Command::new("ip");
        let _ = gone
            .args(["netns", "del", &self.name])
            .stderr(Stdio::null())
            .status();
    }
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().unwrap();
    assert!(done.status.success(), "ip {words:?}: {done:?}");
}

/// Both ends, and what cuts the link between them.
struct Bed {
    // In the order in which they end.
    tower: Tower,
    machine: Machine,
    link: Arc<Link>,
    cut: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Bed {
    /// The link goes down, once, when this was done.
    async fn cut_at(step: &'static str) -> Self {
        let link = Link::new();
        let machine = link.machine();
        let (tell, cut) = tokio::sync::mpsc::unbounded_channel();
        let todo = Mutex::new(Some((link.clone(), tell)));
        let hook: Hook = Arc::new(move |done| {
            if done == step
                && let Some((link, tell)) = todo.lock().unwrap().take()
            {
                link.down();
                tell.send(()).unwrap();
            }
        });
        let papers = (&*machine.pin(), &*machine.token());
        let tower = Tower::telling(Kept::new(LEASE), &machine.address, papers, hook);
        drop(tower.health(Result::is_ok).await);
        Self {
            tower,
            machine,
            link,
            cut,
        }
    }

    async fn is_cut(&mut self) {
        self.cut.recv().await.unwrap();
    }

    /// Waits for the end of the job; never are two of its attempts at work.
    async fn ends(&self, job: &AgentJob) -> AgentJob {
        let seats = (1..4)
            .map(|n| Seat::new(job.uid().unwrap(), n))
            .collect::<Vec<_>>();
        let watching = async {
            loop {
                let at_work = seats
                    .iter()
                    .filter(|s| !self.machine.processes(s).is_empty());
                let at_work: Vec<&Seat> = at_work.collect();
                assert!(at_work.len() < 2, "at work at the same time: {at_work:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            job = self.tower.ended(job) => job,
            () = watching => unreachable!(),
        }
    }

    async fn until_over(&self, seat: &Seat) {
        let gone = async {
            while !self.machine.processes(seat).is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LEASE * 4, gone).await.unwrap();
    }

    /// The job has succeeded with this attempt, and each attempt that counted itself did so once.
    fn succeeded(&self, job: &AgentJob, attempt: u32) {
        let status = job.status();
        assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
        assert_eq!(status.attempt, attempt, "{status:#?}");
        let starts = self.machine.starts(job).len();
        assert!((1..=attempt as usize).contains(&starts), "{starts} starts");
    }
}

/// Down for a moment at this step: the first attempt goes on and succeeds.
async fn down_for_a_moment_at(step: &'static str) {
    let mut bed = Bed::cut_at(step).await;
    let job = bed.tower.echo(1).await;
    let mend = async {
        bed.cut.recv().await.unwrap();
        tokio::time::sleep(MOMENT).await;
        bed.link.up();
    };
    mend.await;
    let ended = bed.ends(&job).await;
    bed.succeeded(&ended, 1);
    assert_eq!(bed.machine.starts(&ended).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_before_the_ticket() {
    let bed = Bed::cut_at("never").await;
    bed.link.down();
    let job = bed.tower.echo(1).await;
    tokio::time::sleep(MOMENT).await;
    bed.link.up();
    let ended = bed.ends(&job).await;
    bed.succeeded(&ended, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_between_ticket_and_start() {
    down_for_a_moment_at("ticket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_after_the_start() {
    down_for_a_moment_at("start").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_between_the_claim_and_its_answer() {
    down_for_a_moment_at("claim").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_between_the_brief_and_its_answer() {
    down_for_a_moment_at("brief").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_between_the_report_and_its_answer() {
    down_for_a_moment_at("report").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_between_the_record_and_its_answer() {
    down_for_a_moment_at("record").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_at_work_for_longer_than_a_lease_ends_the_seat_there_before_another_begins() {
    let bed = Bed::cut_at("never").await;
    let job = bed.tower.echo(20).await;
    let first = bed.tower.claimed(&job, 1).await.seat().unwrap();
    bed.link.down();
    bed.until_over(&first).await;
    let now = bed.tower.job(&job).await;
    assert_eq!(
        now.status().attempt,
        1,
        "another began before the lease was over"
    );
    bed.tower
        .until(&job, |job| job.status().failures == 1)
        .await;
    bed.link.up();
    let ended = bed.ends(&job).await;
    bed.succeeded(&ended, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_after_the_start_for_longer_than_a_lease_begins_no_second_one_beside_it() {
    let mut bed = Bed::cut_at("start").await;
    let job = bed.tower.echo(1).await;
    bed.is_cut().await;
    let first = Seat::new(job.uid().unwrap(), 1);
    bed.until_over(&first).await;
    let given_up = |job: &AgentJob| job.status().stop.is_some() || job.status().failures > 0;
    bed.tower.until(&job, given_up).await;
    bed.link.up();
    let ended = bed.ends(&job).await;
    bed.succeeded(&ended, 2);
}
