//! A day at a gate, made from a seed: which gate, who lives there, who comes and what breaks when.

use super::rng::Rng;
use crate::access::{
    Calendar, Date, DoorKind, DoorOptions, Drive, FaceOptions, Fail, FireCut, FireOptions,
    FireRelock, Hours, Options, PassageSensor, Passback, PassbackRule, PinOptions, Profile,
    ReaderOptions, Span, UntrustedClock, Zone,
};
use crate::domain::{DoorId, DoorMode, Duration, Heading, WallTime};

pub(super) const DAY_US: u64 = 86_400_000_000;
/// 2026-11-22 00:00 UTC.
pub(super) const MIDNIGHT: WallTime = WallTime::from_secs(1_795_305_600);
pub(super) const OUTSIDE: usize = 0;
pub(super) const INSIDE: usize = 1;

/// Somebody with a right in at least one of the day's lists.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub face: bool,
    /// Minutes of the day.
    pub from: Option<u64>,
    pub until: Option<u64>,
    pub profile: bool,
    pub uses: Option<u16>,
    pub extended: bool,
    /// The list from which on the right is gone.
    pub removed_in: Option<usize>,
}

impl Person {
    pub(super) fn is_unlimited(&self) -> bool {
        self.from.is_none() && self.until.is_none() && !self.profile && self.uses.is_none()
    }
}

/// How somebody presents themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Card,
    Face,
    Both,
    /// A card and its PIN, right, wrong, or the one for help.
    Pin,
    WrongPin,
    Duress,
}

/// What one actor does or breaks.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Comes {
        who: usize,
        show: Show,
        then: Then,
        spoilt: bool,
    },
    /// By request to exit, or with a card at the reader inside.
    Leaves {
        by_card: Option<usize>,
        held_ms: u64,
        then: Then,
    },
    UnknownCard {
        number: u32,
    },
    UnknownFace,
    StaleFace {
        who: usize,
    },
    DeadFace {
        who: usize,
    },
    Guesses {
        cards: u8,
        first: u32,
    },
    Forces {
        open_ms: u64,
    },
    Noise {
        edges: u8,
    },
    Order(Told),
    // What breaks.
    Fire {
        ms: u64,
        burns: bool,
    },
    FireLoop {
        ms: u64,
    },
    PowerCut {
        ms: u64,
    },
    ClockLost {
        ms: u64,
    },
    ClockStep {
        ms: i64,
    },
    DiskFull {
        ms: u64,
    },
    BrokerLost {
        ms: u64,
    },
    WorkerFault {
        ms: u64,
    },
    ReaderDead {
        ms: u64,
    },
    LineFault {
        ms: u64,
        rex: bool,
    },
    Mains {
        ms: u64,
    },
    /// The next list arrives.
    List,
}

#[derive(Clone, Debug)]
pub(super) enum Told {
    Mode(DoorMode, Option<u64>),
    End,
    Acknowledge,
    Amnesty,
    OpenOnce,
    EndFire,
}

/// What somebody does who finds the door open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Then {
    pub goes: bool,
    pub after_ms: u64,
    pub open_ms: u64,
    pub followers: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub at_us: u64,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub options: Options,
    pub people: Vec<Person>,
    pub lists: usize,
    pub actors: Vec<Actor>,
}

impl Act {
    pub(super) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Fire { .. }
                | Self::FireLoop { .. }
                | Self::PowerCut { .. }
                | Self::ClockLost { .. }
                | Self::ClockStep { .. }
                | Self::DiskFull { .. }
                | Self::BrokerLost { .. }
                | Self::WorkerFault { .. }
                | Self::ReaderDead { .. }
                | Self::LineFault { .. }
                | Self::Mains { .. }
                | Self::Noise { .. }
        )
    }
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let options = options(&mut rng);
        let lists = 4;
        let people: Vec<Person> = (0..60).map(|i| person(&mut rng, i, lists)).collect();
        let mut actors = Vec::new();
        for _ in 0..rng.range(220, 280) {
            actors.push(Actor { at_us: at(&mut rng), act: comes_or_goes(&mut rng, people.len()) });
        }
        for _ in 0..rng.range(6, 14) {
            actors.push(Actor { at_us: at(&mut rng), act: fault(&mut rng) });
        }
        for _ in 0..rng.range(2, 8) {
            actors.push(Actor { at_us: at(&mut rng), act: Act::Order(order(&mut rng)) });
        }
        // Lists come in the very moments in which somebody shows a card.
        for _ in 1..lists {
            let near = rng.pick(&actors.iter().map(|a| a.at_us).collect::<Vec<_>>()).unwrap_or(0);
            actors.push(Actor { at_us: near + rng.range(0, 200_000), act: Act::List });
        }
        // So do power cuts, some of them before what was recorded is on disk.
        let moments: Vec<u64> = actors.iter().map(|a| a.at_us).collect();
        for _ in 0..2 {
            let near = rng.pick(&moments).unwrap_or(0);
            let ms = rng.range(500, 60_000);
            actors
                .push(Actor { at_us: near + rng.range(50_000, 90_000), act: Act::PowerCut { ms } });
        }
        // And while somebody is guessing.
        let guesses = |a: &&Actor| matches!(a.act, Act::Guesses { .. });
        if let Some(near) = actors.iter().find(guesses).map(|a| a.at_us)
            && rng.percent(50)
        {
            let (at_us, ms) = (near + rng.range(8_000_000, 40_000_000), rng.range(200, 2_000));
            actors.push(Actor { at_us, act: Act::PowerCut { ms } });
        }
        actors.sort_by_key(|a| a.at_us);
        Self { seed, options, people, lists, actors }
    }
}

/// Mostly rush hours: people meet at the gate.
fn at(rng: &mut Rng) -> u64 {
    let hour = 3_600_000_000;
    match rng.range(0, 10) {
        0..=2 => rng.range(7 * hour, 7 * hour + hour / 3),
        3..=5 => rng.range(17 * hour, 17 * hour + hour / 3),
        6..=7 => rng.range(22 * hour, 24 * hour - hour / 4),
        _ => rng.range(hour / 60, 23 * hour),
    }
}

fn options(rng: &mut Rng) -> Options {
    let kinds = [
        DoorKind::Strike,
        DoorKind::Strike,
        DoorKind::Magnet,
        DoorKind::Closer,
        DoorKind::Barrier,
        DoorKind::Bolt,
        DoorKind::Turnstile,
    ];
    let kind = rng.pick(&kinds).unwrap_or(DoorKind::Strike);
    let mut door = DoorOptions::usual(kind);
    if kind != DoorKind::Turnstile && rng.percent(40) {
        door.sensor = PassageSensor::Beams;
    }
    if rng.percent(20) {
        door.fail = Fail::Safe;
    }
    if door.relock_on_open && rng.percent(30) {
        door.relock_on_open = false;
        if rng.percent(30) {
            door.drive = Drive::HoldWhileOpen;
        }
    }
    if rng.percent(50) {
        door.warn_before = Some(Duration::from_secs(10));
    }
    if rng.percent(20) {
        (door.unlock, door.first_card) = (Some(0), rng.percent(50));
    }
    if rng.percent(10) {
        door.lock_down = Some(1);
    }
    let mut outside = ReaderOptions { door: DoorId(0), heading: Heading::In, pin: None };
    if rng.percent(40) {
        let hours = if rng.percent(50) { Hours::Always } else { Hours::Profile(2) };
        let (total, between_keys) = (Duration::from_secs(10), Duration::from_secs(5));
        outside.pin = Some(PinOptions { total, between_keys, hours });
    }
    let inside = ReaderOptions { door: DoorId(0), heading: Heading::Out, pin: None };
    let week = |number, from, to| Profile {
        number: Some(number),
        days: std::array::from_fn(|_| vec![Span { from, to }]),
        holiday: vec![],
    };
    let profiles = vec![week(0, 540, 660), week(1, 120, 300), week(2, 1_200, 1_440)];
    let holidays = [Date { year: 2026, month: 12, day: 25 }].into();
    let calendar = Calendar::new(Zone::default(), profiles, holidays).unwrap_or_default();
    let rules = [PassbackRule::Off, PassbackRule::Off, PassbackRule::Soft, PassbackRule::Hard];
    let timeout = rng.percent(50).then(|| Duration::from_secs(3_600));
    Options {
        face: Some(FaceOptions { door: DoorId(0), max_age: Duration::from_secs(1) }),
        calendar,
        untrusted_clock: if rng.percent(30) { UntrustedClock::Allow } else { UntrustedClock::Deny },
        passback: Passback { rule: rng.pick(&rules).unwrap_or_default(), timeout },
        fire: FireOptions {
            cut: if rng.percent(50) { FireCut::Unlock } else { FireCut::Report },
            relock: if rng.percent(30) { FireRelock::ByOrder } else { FireRelock::WithPanel },
        },
        ..Options::usual(vec![door], vec![outside, inside])
    }
}

fn person(rng: &mut Rng, i: usize, lists: usize) -> Person {
    let limited = i >= 45;
    Person {
        face: rng.percent(60),
        from: (limited && rng.percent(40)).then(|| rng.range(0, 1_440)),
        until: (limited && rng.percent(40)).then(|| rng.range(0, 1_440)),
        profile: limited && rng.percent(20),
        uses: (limited && rng.percent(60)).then(|| rng.range(1, 4) as u16),
        extended: rng.percent(10),
        removed_in: rng.percent(10).then(|| rng.range(1, lists as u64) as usize),
    }
}

fn then(rng: &mut Rng) -> Then {
    Then {
        goes: !rng.percent(7),
        after_ms: rng.range(300, 4_500),
        open_ms: if rng.percent(4) { rng.range(30_000, 200_000) } else { rng.range(1_500, 6_000) },
        followers: if rng.percent(10) { rng.range(1, 4) as u8 } else { 0 },
    }
}

fn comes_or_goes(rng: &mut Rng, people: usize) -> Act {
    let shows = [
        Show::Card,
        Show::Card,
        Show::Card,
        Show::Face,
        Show::Face,
        Show::Both,
        Show::Pin,
        Show::Pin,
        Show::WrongPin,
        Show::Duress,
    ];
    // Those with limits are few and come often.
    let low = if rng.percent(40) { 45 } else { 0 };
    let who = rng.range(low, people as u64) as usize;
    match rng.range(0, 100) {
        0..=61 => {
            let show = rng.pick(&shows).unwrap_or(Show::Card);
            Act::Comes { who, show, then: then(rng), spoilt: rng.percent(4) }
        }
        62..=79 => {
            let by_card = rng.percent(50).then_some(who);
            let held_ms = if rng.percent(10) { rng.range(5_000, 90_000) } else { 500 };
            Act::Leaves { by_card, held_ms, then: then(rng) }
        }
        80..=84 => Act::UnknownCard { number: rng.range(5_000, 60_000) as u32 },
        85..=89 => Act::UnknownFace,
        90..=91 => Act::StaleFace { who },
        92..=93 => Act::DeadFace { who },
        94..=95 => {
            let cards = rng.range(5, 14) as u8;
            Act::Guesses { cards, first: rng.range(5_000, 60_000) as u32 }
        }
        96..=97 => Act::Forces { open_ms: rng.range(2_000, 60_000) },
        _ => Act::Noise { edges: rng.range(1, 200) as u8 },
    }
}

fn fault(rng: &mut Rng) -> Act {
    let ms = rng.range(2_000, 600_000);
    match rng.range(0, 22) {
        0..=2 => Act::Fire { ms, burns: rng.percent(30) },
        3 => Act::FireLoop { ms },
        4..=6 => Act::PowerCut { ms: rng.range(200, 300_000) },
        7..=8 => Act::ClockLost { ms },
        9 => Act::ClockStep { ms: -(rng.range(500, 7_200_000) as i64) },
        10 => Act::ClockStep { ms: rng.range(500, 3_600_000) as i64 },
        11..=12 => Act::DiskFull { ms },
        13..=14 => Act::BrokerLost { ms },
        15..=16 => Act::WorkerFault { ms },
        17..=18 => Act::ReaderDead { ms },
        19..=20 => Act::LineFault { ms, rex: rng.percent(40) },
        _ => Act::Mains { ms },
    }
}

fn order(rng: &mut Rng) -> Told {
    let modes = [
        DoorMode::Locked,
        DoorMode::Unlocked,
        DoorMode::Blocked,
        DoorMode::LockedDown,
        DoorMode::LockedOpen,
    ];
    match rng.range(0, 9) {
        0..=2 => {
            let mode = rng.pick(&modes).unwrap_or(DoorMode::Locked);
            Told::Mode(mode, rng.percent(90).then(|| rng.range(10_000, 1_800_000)))
        }
        3..=4 => Told::End,
        5 => Told::Acknowledge,
        6 => Told::Amnesty,
        7 => Told::OpenOnce,
        _ => Told::EndFire,
    }
}
