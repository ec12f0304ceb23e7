//! A day at a gate, made from a seed: which gate, who lives there, who comes and what breaks when.

use super::gates;
use super::rng::Rng;
use crate::access::Options;
use crate::domain::{DoorId, DoorMode, ReaderId, WallTime};

pub(super) const DAY_US: u64 = 86_400_000_000;
/// 2026-11-22 00:00 UTC.
pub(super) const MIDNIGHT: WallTime = WallTime::from_secs(1_795_305_600);

/// The reader outside a door; the one inside comes after it.
pub(super) fn outside(door: DoorId) -> ReaderId {
    ReaderId(door.0 * 2)
}

pub(super) fn inside(door: DoorId) -> ReaderId {
    ReaderId(door.0 * 2 + 1)
}

/// The door that the camera watches.
pub(super) const WATCHED: DoorId = DoorId(0);

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
    pub door: DoorId,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub options: Options,
    pub people: Vec<Person>,
    pub lists: usize,
    /// How many events may wait for the disk, and how many it keeps.
    pub room: usize,
    pub capacity: u64,
    pub actors: Vec<Actor>,
}

impl Act {
    /// Who would show a face where there is no camera shows a card.
    fn without_camera(self, door: DoorId) -> Self {
        match self {
            Self::Comes { who, show: Show::Face | Show::Both, then, spoilt } if door != WATCHED => {
                Self::Comes { who, show: Show::Card, then, spoilt }
            }
            act => act,
        }
    }

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
        let options = gates::options(&mut rng);
        let doors = options.doors.len() as u64;
        let lists = 4;
        let people: Vec<Person> = (0..60).map(|i| person(&mut rng, i, lists)).collect();
        let mut actors = Vec::new();
        let mut at_door = |rng: &mut Rng, at_us: u64, act: Act| {
            let door = DoorId(rng.range(0, doors) as u8);
            let act = act.without_camera(door);
            actors.push(Actor { at_us, door, act });
        };
        for _ in 0..rng.range(220, 280) {
            let (at_us, act) = (at(&mut rng), comes_or_goes(&mut rng, people.len()));
            at_door(&mut rng, at_us, act);
        }
        for _ in 0..rng.range(6, 14) {
            let (at_us, act) = (at(&mut rng), fault(&mut rng));
            at_door(&mut rng, at_us, act);
        }
        for _ in 0..rng.range(2, 8) {
            let (at_us, act) = (at(&mut rng), Act::Order(order(&mut rng)));
            at_door(&mut rng, at_us, act);
        }
        // Lists come in the very moments in which somebody shows a card.
        let moments: Vec<u64> = actors.iter().map(|a| a.at_us).collect();
        let mut happens = |at_us, act| actors.push(Actor { at_us, door: WATCHED, act });
        for _ in 1..lists {
            let near = rng.pick(&moments).unwrap_or(0);
            happens(near + rng.range(0, 200_000), Act::List);
        }
        // So do power cuts, some of them before what was recorded is on disk.
        for _ in 0..2 {
            let near = rng.pick(&moments).unwrap_or(0);
            let ms = rng.range(500, 60_000);
            happens(near + rng.range(50_000, 90_000), Act::PowerCut { ms });
        }
        // And while somebody is guessing.
        let guesses = |a: &&Actor| matches!(a.act, Act::Guesses { .. });
        if let Some(near) = actors.iter().find(guesses).map(|a| a.at_us)
            && rng.percent(50)
        {
            let (at_us, ms) = (near + rng.range(8_000_000, 40_000_000), rng.range(200, 2_000));
            actors.push(Actor { at_us, door: WATCHED, act: Act::PowerCut { ms } });
        }
        let room = rng.pick(&[8, 64, 4_096, 4_096]).unwrap_or(4_096);
        let capacity = rng.pick(&[300, 1_000_000, 1_000_000]).unwrap_or(1_000_000);
        actors.sort_by_key(|a| a.at_us);
        Self { seed, options, people, lists, room, capacity, actors }
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
