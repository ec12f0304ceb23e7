//! Which gate a day is played at: its doors, readers and rules.

use super::plan::WATCHED;
use super::rng::Rng;
use crate::access::{
    Calendar, Date, DoorKind, DoorOptions, Drive, FaceOptions, Fail, FireCut, FireOptions,
    FireRelock, Hours, Options, PassageSensor, Passback, PassbackRule, PinOptions, Profile,
    ReaderOptions, Span, UntrustedClock, Zone,
};
use crate::domain::{DoorId, Duration, Heading};

/// In the calendar: when the doors are free, when nobody gets in, when a card alone isn't enough.
const FREE: u8 = 0;
const SHUT: u8 = 1;
pub(super) const TWO_FACTORS: u8 = 2;

/// What kind of gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    /// A card and its PIN, or a card and a face, always or in some hours.
    TwoFactors,
    /// Two doors that have nothing to do with each other.
    Two,
    /// Of two doors only one is open.
    Interlock,
    Turnstile,
}

pub(super) fn options(rng: &mut Rng) -> Options {
    let shapes = [
        Shape::One,
        Shape::One,
        Shape::One,
        Shape::TwoFactors,
        Shape::TwoFactors,
        Shape::TwoFactors,
        Shape::Two,
        Shape::Interlock,
        Shape::Interlock,
        Shape::Turnstile,
    ];
    let shape = rng.pick(&shapes).unwrap_or(Shape::One);
    let people_move = [DoorKind::Strike, DoorKind::Magnet, DoorKind::Closer, DoorKind::Bolt];
    let kinds = match shape {
        Shape::Turnstile => [DoorKind::Turnstile].as_slice(),
        Shape::Interlock => &people_move,
        _ => &[
            DoorKind::Strike,
            DoorKind::Strike,
            DoorKind::Magnet,
            DoorKind::Closer,
            DoorKind::Barrier,
            DoorKind::Bolt,
            DoorKind::Turnstile,
        ],
    };
    let many = if matches!(shape, Shape::Two | Shape::Interlock) { 2 } else { 1 };
    let doors: Vec<_> = (0..many).map(|_| door(rng, kinds)).collect();
    let mut readers = Vec::new();
    for i in 0..many {
        let door = DoorId(i);
        let asks = shape == Shape::TwoFactors || shape == Shape::Two && rng.percent(30);
        let pin = asks.then(|| {
            let hours = if rng.percent(50) { Hours::Always } else { Hours::Profile(TWO_FACTORS) };
            let (total, between_keys) = (Duration::from_secs(10), Duration::from_secs(5));
            PinOptions { total, between_keys, hours }
        });
        readers.push(ReaderOptions { door, heading: Heading::In, pin });
        readers.push(ReaderOptions { door, heading: Heading::Out, pin: None });
    }
    let week = |number, from, to| Profile {
        number: Some(number),
        days: std::array::from_fn(|_| vec![Span { from, to }]),
        holiday: vec![],
    };
    let profiles =
        vec![week(FREE, 540, 660), week(SHUT, 120, 300), week(TWO_FACTORS, 1_200, 1_440)];
    let holidays = [Date { year: 2026, month: 12, day: 25 }].into();
    let calendar = Calendar::new(Zone::default(), profiles, holidays).unwrap_or_default();
    let rules = [PassbackRule::Off, PassbackRule::Off, PassbackRule::Soft, PassbackRule::Hard];
    let timeout = rng.percent(50).then(|| Duration::from_secs(3_600));
    let interlocks = match shape {
        Shape::Interlock => vec![vec![DoorId(0), DoorId(1)]],
        _ => Vec::new(),
    };
    Options {
        face: Some(FaceOptions { door: WATCHED, max_age: Duration::from_secs(1) }),
        calendar,
        untrusted_clock: if rng.percent(30) { UntrustedClock::Allow } else { UntrustedClock::Deny },
        passback: Passback { rule: rng.pick(&rules).unwrap_or_default(), timeout },
        fire: FireOptions {
            cut: if rng.percent(50) { FireCut::Unlock } else { FireCut::Report },
            relock: if rng.percent(30) { FireRelock::ByOrder } else { FireRelock::WithPanel },
        },
        interlocks,
        ..Options::usual(doors, readers)
    }
}

fn door(rng: &mut Rng, kinds: &[DoorKind]) -> DoorOptions {
    let kind = rng.pick(kinds).unwrap_or(DoorKind::Strike);
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
        (door.unlock, door.first_card) = (Some(FREE), rng.percent(50));
    }
    if rng.percent(10) {
        door.lock_down = Some(SHUT);
    }
    door
}
