//! The gate's judgement at its limits: decisions a second with 100,000 cards through the real index, what a
//! decision among 1,000,000 costs, and the timer table beside a binary heap. Prints JSON, one object a line. Run
//! with `cargo bench --bench access`. How the index itself fares with a million cards is `benches/allowlist.rs`'s.

use eithergate::access::{
    Command, DoorKind, DoorOptions, FaceOptions, Gate, Input, Lockout, Options, ReaderOptions,
    Timers,
};
use eithergate::allowlist::{Allowlist, CardKey, Entry, Plain};
use eithergate::domain::{
    CardNumber, DoorId, Duration, EventKind, Heading, Instant, LineState, Liveness, Observation,
    OperatorId, ReaderId, SubjectId, WallTime, Ways, Wire,
};
use eithergate::trust::{
    Certificate, Draft, Expectation, GateKeys, Key256, Purpose, Role, SecretKey, seal,
};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant as Stopwatch;

const DECISIONS: u64 = 100_000;
const TIMERS: u64 = 10_000;
const ROUNDS: u64 = 50;

/// Spreads counters over 64 bits (Steele, Lea and Flood's SplitMix64), so that ids look random.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn subject(n: u64) -> SubjectId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(n).to_le_bytes());
    SubjectId(id)
}

fn card(n: u64) -> Result<CardNumber, Box<dyn Error>> {
    Ok(CardNumber::new("h10302".parse()?, u128::from(n)))
}

/// Signed, sealed and opened, as a gate has it.
fn list(cards: u64) -> Result<Allowlist, Box<dyn Error>> {
    let (root, operator, keys) =
        (SecretKey::generate(), SecretKey::generate(), GateKeys::generate());
    let (from, until) = (WallTime::from_secs(1), WallTime::from_secs(4_000_000_000));
    let office: OperatorId = "office".parse()?;
    let key = operator.public();
    let certificate = Certificate::new("garden".parse()?, office, key, Role::Office, from, until);
    let certificate = certificate.issue(&root)?;
    let card_key = CardKey(Key256::generate());
    let mut plain = Plain { card_key: card_key.clone(), entries: Default::default() };
    for n in 0..cards {
        let ways = Ways { card: true, face: true };
        let cards = vec![card_key.credential(&card(n)?)];
        let entry = Entry { ways, cards, ..Entry::default() };
        plain.entries.insert(subject(n), entry);
    }
    let plain = plain.to_bytes()?;
    let draft = Draft {
        site: &"garden".parse()?,
        gate: &"north".parse()?,
        seal_to: &keys.public().sealing,
        purpose: Purpose::Allowlist,
        version: 1,
        issued_at: from,
        expires_at: until,
        epoch: 1,
        epoch_key: &Key256::generate(),
        plain: &plain,
    };
    let envelope = seal(&draft, &operator, &certificate).ok_or("too large")?;
    let (site, gate, root) = ("garden".parse()?, "north".parse()?, root.public());
    let expected = Expectation { site, gate, root, now: Some(WallTime::from_secs(2)) };
    Allowlist::open(&envelope, &keys, &expected, None).map_err(|e| format!("{e:?}").into())
}

fn gate() -> Result<Gate, Box<dyn Error>> {
    let door = DoorId(0);
    let outside = ReaderOptions { door, heading: Heading::In, pin: None };
    let face = Some(FaceOptions { door, max_age: Duration::from_secs(1) });
    // A thousand unknown cards in a row are to be decided, not slowed.
    let lockout = Lockout { after: 0, ..Lockout::default() };
    let usual = Options::usual(vec![DoorOptions::usual(DoorKind::Strike)], vec![outside]);
    Ok(Gate::new(Options { face, lockout, ..usual })?)
}

/// Nanoseconds for each presentation; the passages in between are not in them.
fn decide(
    list: &Allowlist,
    what: &str,
    cards: u64,
    wanted: fn(&EventKind) -> bool,
    shown: impl Fn(u64, Instant) -> Result<Input, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut gate = gate()?;
    let mut out = Vec::new();
    let mut ns: Vec<u64> = Vec::with_capacity(DECISIONS as usize);
    let wall = |now: Instant| Some(WallTime(1_800_000_000_000 + now.0 / 1_000));
    for n in 0..DECISIONS {
        let now = Instant(1_000_000 + n * 10_000_000);
        let input = shown(n, now)?;
        out.clear();
        let started = Stopwatch::now();
        gate.handle(now, wall(now), black_box(input), list, &mut out);
        ns.push(started.elapsed().as_nanos() as u64);
        let decided = |c: &Command| matches!(c, Command::Record(event) if wanted(&event.what));
        if !out.iter().any(decided) {
            return Err(format!("{what} {n}: {out:?}").into());
        }
        for (after, state) in [(1, LineState::Active), (2, LineState::Normal)] {
            let now = Instant(now.0 + after * 1_000_000);
            let line = Input::Line { door: Some(DoorId(0)), line: Wire::Contact, state };
            gate.handle(now, wall(now), line, list, &mut out);
        }
    }
    let all: u64 = ns.iter().sum();
    ns.sort_unstable();
    let at = |share: f64| ns[(ns.len() as f64 * share) as usize] as f64 / 1e3;
    println!(
        "{}",
        json!({
            "decision": what, "cards": cards,
            "a_second": (DECISIONS as f64 * 1e9 / all as f64).round(),
            "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999),
        })
    );
    Ok(())
}

fn decisions(cards: u64) -> Result<(), Box<dyn Error>> {
    let list = list(cards)?;
    let granted = |what: &EventKind| matches!(what, EventKind::AccessGranted { .. });
    let denied = |what: &EventKind| matches!(what, EventKind::Denied { .. });
    let reader = ReaderId(0);
    decide(&list, "card granted", cards, granted, |n, _| {
        Ok(Input::Card { reader, card: card(mix(n) % cards)? })
    })?;
    decide(&list, "card denied", cards, denied, |n, _| {
        Ok(Input::Card { reader, card: card(cards + mix(n) % cards)? })
    })?;
    decide(&list, "face granted", cards, granted, |n, now| {
        let subject = Some(subject(mix(n) % cards));
        let (distance, quality, liveness) = (0.3, 1.0, Liveness::Live);
        Ok(Input::Face(Observation {
            captured_at: now,
            subject,
            look_alike: None,
            distance,
            quality,
            liveness,
        }))
    })
}

/// What a gate does with its deadlines, on either table.
trait Table: Default {
    fn arm(&mut self, key: u64, at: u64);
    fn disarm(&mut self, key: u64);
    fn pop_due(&mut self, now: u64) -> Option<u64>;
}

impl Table for Timers<u64> {
    fn arm(&mut self, key: u64, at: u64) {
        Timers::arm(self, key, Instant(at));
    }

    fn disarm(&mut self, key: u64) {
        Timers::disarm(self, key);
    }

    fn pop_due(&mut self, now: u64) -> Option<u64> {
        Timers::pop_due(self, Instant(now)).map(|(_, key)| key)
    }
}

/// The usual other way: a heap in which what was disarmed or armed anew stays until it comes to the top.
#[derive(Default)]
struct LazyHeap {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    at: HashMap<u64, u64>,
}

impl Table for LazyHeap {
    fn arm(&mut self, key: u64, at: u64) {
        self.at.insert(key, at);
        self.heap.push(Reverse((at, key)));
    }

    fn disarm(&mut self, key: u64) {
        self.at.remove(&key);
    }

    fn pop_due(&mut self, now: u64) -> Option<u64> {
        while let Some(Reverse((at, key))) = self.heap.peek().copied() {
            let stands = self.at.get(&key) == Some(&at);
            if stands && at > now {
                return None;
            }
            self.heap.pop();
            if stands {
                self.at.remove(&key);
                return Some(key);
            }
        }
        None
    }
}

fn timers<T: Table>(name: &str) -> Result<(), Box<dyn Error>> {
    let (mut arm, mut again, mut disarm, mut pop) = (0, 0, 0, 0);
    let mut popped = 0;
    for round in 0..ROUNDS {
        let mut table = T::default();
        let at = |n: u64| mix(round << 32 | n) % 1_000_000;
        let mut time = |sum: &mut u128, work: &mut dyn FnMut(&mut T)| {
            let started = Stopwatch::now();
            work(&mut table);
            *sum += started.elapsed().as_nanos();
        };
        time(&mut arm, &mut |t| (0..TIMERS).for_each(|n| t.arm(n, at(n))));
        time(&mut again, &mut |t| (0..TIMERS).for_each(|n| t.arm(n, at(n + TIMERS))));
        time(&mut disarm, &mut |t| (0..TIMERS).step_by(2).for_each(|n| t.disarm(n)));
        time(&mut pop, &mut |t| {
            while let Some(key) = t.pop_due(black_box(2_000_000)) {
                popped += key & 1;
            }
        });
    }
    if popped != ROUNDS * TIMERS / 2 {
        return Err(format!("{name}: {popped} were due").into());
    }
    let each = |sum: u128, share: u64| sum as f64 / (ROUNDS * TIMERS / share) as f64;
    println!(
        "{}",
        json!({
            "timers": name, "armed": TIMERS, "arm_ns": each(arm, 1), "arm_again_ns": each(again, 1),
            "disarm_ns": each(disarm, 2), "pop_ns": each(pop, 2),
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    decisions(100_000)?;
    decisions(1_000_000)?;
    timers::<Timers<u64>>("the gate's table")?;
    timers::<LazyHeap>("binary heap, lazy deletion")
}
