//! The pages of a pool: items that name those who hold of it. There are always as many, and a pool's capacity is divided
//! among them, so that to take and to give back costs the same however many are at work. What a page has beyond its part,
//! since there was more to divide, is lent by the others. Asks nothing: what was read goes in, where there is room comes
//! out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sandbox_core::Uid;
use sandbox_elf::store::dynamodb::keys::{Attributes, SK, read_number, read_text};
use uuid::Uuid;

use super::{
    keys::{self, HELD, PAUSED},
    record::Hold,
};

/// How many pages a pool has. A pause marks each of them, so no release may use more than another.
pub(super) const PAGES: u8 = 16;
/// The least that a page has before the next is used. So many holders fit into one write unit.
const LEAST: u32 = 16;
/// A hold that is younger may be one whose job is being saved.
const YOUNG: i64 = 60;
/// What the attribute of a holder begins with.
const HOLDER: char = 'h';

/// A number for each page.
type Each = [u32; PAGES as usize];

/// What a page says of one holder: units, version of its job, time in seconds, and which write it was.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) units: u32,
    pub(super) version: u64,
    at: i64,
}

impl Mark {
    pub(super) fn write(units: u32, version: u64) -> String {
        let at = Timestamp::now().as_second();
        let by = Uuid::new_v4().as_fields().0;
        format!("{units}.{version}.{at}.{by:x}")
    }

    pub(super) fn read(mark: &str) -> Self {
        let mut parts = mark.split('.');
        let mut next = || parts.next().unwrap_or_default();
        Self {
            units: next().parse().unwrap_or_default(),
            version: next().parse().unwrap_or_default(),
            at: next().parse().unwrap_or_default(),
        }
    }
}

/// One who holds of a page, and what the page says of it.
pub(super) struct Holder {
    pub(super) page: u8,
    pub(super) uid: Uid,
    pub(super) mark: String,
}

impl Holder {
    /// Whether it has held long enough to be one of nobody.
    pub(super) fn is_doubtful(&self) -> bool {
        Mark::read(&self.mark).at + YOUNG <= Timestamp::now().as_second()
    }
}

/// The attribute of a holder.
pub(super) fn holder(uid: &Uid) -> String {
    let bytes = Uuid::parse_str(uid.as_str())
        .unwrap_or_default()
        .into_bytes();
    format!("{HOLDER}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn of_holder(name: &str) -> Option<Uid> {
    let bytes = URL_SAFE_NO_PAD.decode(name.strip_prefix(HOLDER)?).ok()?;
    let uuid = Uuid::from_slice(&bytes).ok()?;
    uuid.to_string().parse().ok()
}

/// What is to be taken of a page, and how full it may be then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) page: u8,
    pub(super) units: u32,
    pub(super) limit: u32,
}

/// All pages of a pool, as they were read.
#[derive(Debug, Default)]
pub(super) struct Pages([Attributes; PAGES as usize]);

impl Pages {
    pub(super) fn of(items: Vec<Attributes>) -> Self {
        let mut pages = Self::default();
        for item in items {
            let page = read_text(&item, SK).and_then(|sk| keys::page_of(&sk));
            if let Some(place) = page.and_then(|page| pages.0.get_mut(usize::from(page))) {
                *place = item;
            }
        }
        pages
    }

    /// Each with its number, the first first.
    pub(super) fn each(&self) -> impl DoubleEndedIterator<Item = (u8, &Attributes)> {
        (0..PAGES).zip(&self.0)
    }

    fn filled(&self) -> Each {
        let held = |page: &Attributes| read_number(page, HELD).unwrap_or_default();
        std::array::from_fn(|n| u32::try_from(held(&self.0[n])).unwrap_or(u32::MAX))
    }

    /// What all hold.
    pub(super) fn held(&self) -> u32 {
        self.filled().into_iter().fold(0, u32::saturating_add)
    }

    /// Whether nothing is given now, or soon: a mark that stands in one page is on its way to the others.
    pub(super) fn is_closed(&self) -> bool {
        self.0.iter().any(|page| page.contains_key(PAUSED))
    }

    /// Everybody who holds.
    pub(super) fn holders(&self) -> Vec<Holder> {
        self.each().flat_map(of_page).collect()
    }

    /// Where a job takes so many units more, besides what it holds; nothing where there is no room for them.
    pub(super) fn choose(
        &self,
        uid: &Uid,
        own: &[Hold],
        (units, capacity): (u32, u32),
    ) -> Option<Vec<Part>> {
        if self.is_closed() {
            return None;
        }
        let name = holder(uid);
        // What an earlier save of this job left is replaced.
        let left = std::array::from_fn(|n| {
            let kept = own.iter().any(|h| usize::from(h.page) == n);
            let mark = read_text(&self.0[n], &name).filter(|_| !kept);
            mark.map_or(0, |mark| Mark::read(&mark).units)
        });
        choose((&self.filled(), &left), turn(uid), (units, capacity))
    }
}

fn of_page((page, item): (u8, &Attributes)) -> Vec<Holder> {
    let holder = |name: &String| {
        Some(Holder {
            page,
            uid: of_holder(name)?,
            mark: read_text(item, name)?,
        })
    };
    item.keys().filter_map(holder).collect()
}

/// Where a job begins to look, so that not all look at the same page first.
fn turn(uid: &Uid) -> usize {
    let add = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    uid.as_str().bytes().fold(0, add)
}

/// How full each page may be. Together they are no more than the capacity, whatever some have beyond their part: that is
/// lent by what the others have free, the last first. It only becomes less, so a limit of before is never too high.
fn limits(filled: &Each, capacity: u32) -> Each {
    let part = capacity.div_ceil(PAGES.into()).max(LEAST);
    let mut rest = capacity;
    let mut limits = filled.map(|_| {
        let limit = part.min(rest);
        rest -= limit;
        limit
    });
    let over = filled
        .iter()
        .zip(&limits)
        .map(|(f, l)| f.saturating_sub(*l));
    let mut over = over.fold(0, u32::saturating_add);
    for (limit, filled) in limits.iter_mut().zip(filled).rev() {
        let lent = limit.saturating_sub(*filled).min(over);
        *limit -= lent;
        over -= lent;
    }
    limits
}

/// Takes so many units in one page where one has room for all, and else in several. What the job has left in a page is
/// room for it, and looked at first.
fn choose(
    (filled, left): (&Each, &Each),
    turn: usize,
    (units, capacity): (u32, u32),
) -> Option<Vec<Part>> {
    let limits = limits(filled, capacity);
    let room = |page: u8| {
        let n = usize::from(page);
        limits[n].saturating_add(left[n]).saturating_sub(filled[n])
    };
    let part = |page: u8, units| Part {
        page,
        units,
        limit: limits[usize::from(page)],
    };
    let mut open: Vec<u8> = (0..PAGES).filter(|page| room(*page) > 0).collect();
    let first = turn.checked_rem(open.len())?;
    open.rotate_left(first);
    open.sort_by_key(|page| left[usize::from(*page)] == 0);
    if let Some(page) = open.iter().find(|page| room(**page) >= units) {
        return Some(vec![part(*page, units)]);
    }
    let mut wanted = units;
    let mut parts = Vec::new();
    for page in open {
        let taken = room(page).min(wanted);
        wanted -= taken;
        parts.extend((taken > 0).then(|| part(page, taken)));
    }
    (wanted == 0).then_some(parts)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use sandbox_elf::store::dynamodb::keys::{number, text};

    use super::*;

    const NONE: Each = [0; PAGES as usize];

    fn sum(all: &Each) -> u32 {
        all.iter().sum()
    }

    fn filled() -> impl Strategy<Value = Each> {
        prop_oneof![
            vec(0..40_u32, usize::from(PAGES)),
            vec(
                prop_oneof![Just(0_u32), 0..20_u32, Just(16), 100..300_u32],
                usize::from(PAGES)
            ),
        ]
        .prop_map(|all| all.try_into().unwrap())
    }

    /// What somebody does with a pool whose capacity was lowered, or whose pages were one before.
    #[derive(Clone, Debug)]
    enum Act {
        /// Reads, and takes so much according to it after so many others have acted.
        Take {
            turn: usize,
            units: u32,
            late: usize,
        },
        GiveBack {
            page: usize,
            units: u32,
        },
    }

    fn act() -> impl Strategy<Value = Act> {
        let take = (any::<usize>(), 1..4_u32, 0..12_usize);
        let take = take.prop_map(|(turn, units, late)| Act::Take { turn, units, late });
        let page = 0..usize::from(PAGES);
        let back = (page, 1..40_u32).prop_map(|(page, units)| Act::GiveBack { page, units });
        prop_oneof![3 => take, 2 => back]
    }

    /// What the conditional write of a part does.
    fn write(filled: &mut Each, part: &Part) -> bool {
        let n = &mut filled[usize::from(part.page)];
        let fits = *n + part.units <= part.limit;
        *n += if fits { part.units } else { 0 };
        fits
    }

    proptest! {
        #[test]
        fn what_is_free_of_the_capacity_is_free_in_the_pages(filled in filled(), capacity in 0..600_u32) {
            let limits = limits(&filled, capacity);
            let room: u32 = limits.iter().zip(&filled).map(|(l, f)| l.saturating_sub(*f)).sum();
            prop_assert_eq!(room, capacity.saturating_sub(sum(&filled)));
        }

        #[test]
        fn there_is_room_for_as_much_as_is_free_and_no_more(
            filled in filled(), capacity in 0..600_u32, turn in any::<usize>(), units in 1..60_u32,
        ) {
            let parts = choose((&filled, &NONE), turn, (units, capacity));
            prop_assert_eq!(parts.is_some(), sum(&filled) + units <= capacity);
            let mut then = filled;
            for part in parts.iter().flatten() {
                prop_assert!(write(&mut then, part));
            }
            let taken = parts.map_or(0, |_| units);
            prop_assert_eq!(sum(&then), sum(&filled) + taken);
        }

        #[test]
        fn no_page_but_one_that_had_more_before_names_more_than_a_unit_holds(
            turns in vec(any::<usize>(), 1..300), capacity in 1..257_u32,
        ) {
            let mut filled = NONE;
            for turn in turns {
                for part in choose((&filled, &NONE), turn, (1, capacity)).iter().flatten() {
                    prop_assert!(write(&mut filled, part));
                }
            }
            prop_assert!(filled.iter().all(|n| *n <= LEAST), "{filled:?}");
        }

        #[test]
        fn nothing_goes_beyond_the_capacity_however_late_it_is_written(
            begin in filled(), capacity in 0..300_u32, acts in vec(act(), 1..120),
        ) {
            let mut now = begin;
            let mut most = sum(&begin).max(capacity);
            let mut late: Vec<(usize, Vec<Part>)> = Vec::new();
            for (at, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Take { turn, units, late: by } => {
                        let parts = choose((&now, &NONE), turn, (units, capacity));
                        late.extend(parts.map(|parts| (at + by, parts)));
                    }
                    Act::GiveBack { page, units } => now[page] = now[page].saturating_sub(units),
                }
                let due = late.extract_if(.., |(when, _)| *when <= at).collect::<Vec<_>>();
                for part in due.iter().flat_map(|(_, parts)| parts) {
                    write(&mut now, part);
                }
                // What it had beyond is given back and never taken again.
                prop_assert!(sum(&now) <= most, "{now:?}");
                most = sum(&now).max(capacity);
            }
        }
    }

    #[test]
    fn a_small_pool_has_one_page_and_what_one_had_of_old_is_lent_by_the_last() {
        let room = |filled: &Each, capacity| {
            let all = limits(filled, capacity);
            let room = all.iter().zip(filled).map(|(l, f)| l.saturating_sub(*f));
            room.collect::<Vec<_>>()
        };
        let mut old = NONE;
        assert_eq!(room(&old, 8)[..3], [8, 0, 0]);
        assert_eq!(room(&old, 40)[..4], [16, 16, 8, 0]);
        old[0] = 150;
        assert_eq!(room(&old, 200)[..6], [0, 16, 16, 16, 2, 0]);
        old[0] = 201;
        assert_eq!(room(&old, 200), [0; PAGES as usize]);
    }

    fn job(last: u8) -> Uid {
        let uid = format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd3800{last:02x}");
        uid.parse().unwrap()
    }

    #[test]
    fn what_a_job_has_left_in_a_page_is_room_for_it_alone_and_looked_at_first() {
        let left = Mark::write(1, 7);
        let page = |page, n, holds: bool| {
            let mut item = keys::pool("slots/vps", page).with([(HELD, number(n))]);
            item.extend(holds.then(|| (holder(&job(1)), text(&left))));
            item
        };
        let pages = Pages::of(vec![
            page(0, 3, false),
            page(1, 16, true),
            page(2, 0, false),
        ]);
        let chosen = |uid: &Uid, own: &[Hold]| pages.choose(uid, own, (1, 40)).unwrap()[0].page;
        assert_eq!(chosen(&job(1), &[]), 1);
        let own = Hold {
            pool: "slots/vps".to_owned(),
            page: 1,
            units: 1,
            mark: left.clone(),
        };
        for n in 0..40 {
            assert_ne!(chosen(&job(n), std::slice::from_ref(&own)), 1, "it is full");
        }
        let all: std::collections::BTreeSet<u8> = (2..40).map(|n| chosen(&job(n), &[])).collect();
        assert_eq!(all, [0, 2].into());
    }
}
