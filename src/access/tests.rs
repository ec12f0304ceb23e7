//! Timelines an installer can read: at a time, this happened, the gate did that.

use super::*;
use crate::domain::{Entitlement, Liveness, Pin, Reason, SubjectId, Ways};
use std::collections::HashMap;

const DOOR: DoorId = DoorId(0);
const READER: ReaderId = ReaderId(0);
const NOON: WallTime = WallTime::from_secs(1_800_000_000);

#[derive(Default)]
struct List {
    cards: HashMap<u128, Entitlement>,
}

impl Directory for List {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        self.cards.get(&card.number()).copied()
    }
    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        self.cards.values().find(|e| e.subject == *subject).copied()
    }
    /// Subject n has the PIN n, 4, 0, 7; subject 2 has none.
    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        subject.0[0] != 2 && pin.digits() == [subject.0[0], 4, 0, 7]
    }
}

fn right(id: u8, card: bool, face: bool) -> Entitlement {
    Entitlement { subject: SubjectId([id; 16]), ways: Ways { card, face }, from: None, until: None }
}

/// Card 1 has both ways, 2 only a card, 3 is blocked, 4 expired, 5 is not yet valid, 6 has a face alone.
fn list() -> List {
    let mut cards = HashMap::new();
    cards.insert(1, right(1, true, true));
    cards.insert(2, right(2, true, false));
    cards.insert(3, right(3, false, false));
    cards.insert(4, Entitlement { until: Some(NOON), ..right(4, true, false) });
    cards.insert(5, Entitlement { from: Some(WallTime(NOON.0 + 1)), ..right(5, true, false) });
    cards.insert(6, right(6, false, true));
    List { cards }
}

struct World {
    gate: Gate,
    list: List,
    wall: Option<WallTime>,
}

impl World {
    fn new(edit: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            doors: vec![DoorOptions {
                open: Duration::from_secs(5),
                held_after: Duration::from_secs(30),
                has_contact: true,
                relock_on_open: true,
            }],
            readers: vec![ReaderOptions { door: DOOR, pin: None }],
            face: Some(FaceOptions { door: DOOR, max_age: Duration::from_secs(1) }),
            untrusted_clock: UntrustedClock::Deny,
        };
        edit(&mut options);
        Self { gate: Gate::new(options), list: list(), wall: Some(NOON) }
    }

    /// What is to be done, without what the readers show.
    fn at(&mut self, ms: u64, input: Input) -> Vec<Command> {
        let mut out = self.all_at(ms, input);
        out.retain(|command| !matches!(command, Command::Show { .. }));
        out
    }

    fn all_at(&mut self, ms: u64, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        let now = Instant::default() + Duration::from_millis(ms);
        self.gate.handle(now, self.wall, input, &self.list, &mut out);
        out
    }

    /// Types keys, 100 ms apart: digits, `*` and `#`.
    fn keys(&mut self, ms: u64, keys: &str) -> Vec<Command> {
        let keys = keys.bytes().enumerate();
        keys.flat_map(|(i, key)| {
            let key = match key {
                b'*' => Key::Clear,
                b'#' => Key::Enter,
                digit => Key::Digit(digit - b'0'),
            };
            self.at(ms + 100 * i as u64, Input::Key { reader: READER, key })
        })
        .collect()
    }

    fn card(&mut self, ms: u64, number: u128) -> Vec<Command> {
        let Ok(format) = "h10301".parse() else { return Vec::new() };
        self.at(ms, Input::Card { reader: READER, card: CardNumber::new(format, number) })
    }

    fn face(&mut self, ms: u64, captured_ms: u64, subject: Option<u8>) -> Vec<Command> {
        self.at(ms, Input::Face(observation(captured_ms, subject)))
    }

    fn contact(&mut self, ms: u64, open: bool) -> Vec<Command> {
        self.at(ms, Input::Contact { door: DOOR, open })
    }
}

fn observation(captured_ms: u64, subject: Option<u8>) -> Observation {
    Observation {
        captured_at: Instant::default() + Duration::from_millis(captured_ms),
        subject: subject.map(|s| SubjectId([s; 16])),
        distance: 0.3,
        quality: 1.0,
        liveness: Liveness::NotChecked,
    }
}

fn granted(way: Way) -> Vec<Command> {
    vec![
        Command::Energise { door: DOOR },
        Command::Record(EventKind::AccessGranted { door: DOOR, way }),
    ]
}

fn denied(way: Way, reason: Reason) -> Vec<Command> {
    vec![Command::Record(EventKind::Denied { door: DOOR, way, reason })]
}

fn raised(alarm: Alarm) -> Command {
    Command::Record(EventKind::AlarmRaised { door: Some(DOOR), reader: None, alarm })
}

fn cleared(alarm: Alarm) -> Command {
    Command::Record(EventKind::AlarmCleared { door: Some(DOOR), reader: None, alarm })
}

#[test]
fn a_grant_is_used_and_the_door_locks_as_it_opens() {
    let mut w = World::new(|_| {});
    assert_eq!(w.card(0, 1), granted(Way::Card));
    assert_eq!(w.gate.mode(DOOR), Some(DoorMode::Accessed));
    assert_eq!(
        w.contact(1_000, true),
        vec![
            Command::Release { door: DOOR },
            Command::Record(EventKind::AccessTaken { door: DOOR, way: Way::Card }),
        ]
    );
    assert_eq!(w.gate.mode(DOOR), Some(DoorMode::Locked));
    assert_eq!(w.contact(3_000, false), vec![]);
    assert_eq!(w.gate.deadline(), None);
    assert_eq!(w.at(60_000, Input::Tick), vec![]);
}

#[test]
fn a_barrier_keeps_its_relay_until_the_time_is_up() {
    let mut w = World::new(|o| o.doors[0].relock_on_open = false);
    w.card(0, 1);
    assert_eq!(
        w.contact(1_000, true),
        vec![Command::Record(EventKind::AccessTaken { door: DOOR, way: Way::Card })]
    );
    assert_eq!(w.at(5_000, Input::Tick), vec![Command::Release { door: DOOR }]);
}

#[test]
fn a_grant_nobody_uses_ends_and_is_reported() {
    let mut w = World::new(|_| {});
    w.card(0, 1);
    assert_eq!(w.at(4_999, Input::Tick), vec![]);
    assert_eq!(
        w.at(5_000, Input::Tick),
        vec![
            Command::Release { door: DOOR },
            Command::Record(EventKind::AccessNotTaken { door: DOOR, way: Way::Card }),
        ]
    );
}

#[test]
fn without_a_contact_nothing_is_claimed_about_use() {
    let mut w = World::new(|o| o.doors[0].has_contact = false);
    w.card(0, 1);
    assert_eq!(w.at(5_000, Input::Tick), vec![Command::Release { door: DOOR }]);
}

#[test]
fn a_door_standing_open_at_the_grant_makes_no_claim_either() {
    let mut w = World::new(|_| {});
    w.contact(0, true);
    w.card(1_000, 1);
    assert_eq!(w.at(6_000, Input::Tick), vec![Command::Release { door: DOOR }]);
}

#[test]
fn a_late_call_decides_as_a_punctual_one() {
    let mut w = World::new(|_| {});
    w.card(0, 1);
    // Nobody ticked at 5 s; the leaf moves at 7 s: the grant was over, so it was forced.
    assert_eq!(
        w.contact(7_000, true),
        vec![
            Command::Release { door: DOOR },
            Command::Record(EventKind::AccessNotTaken { door: DOOR, way: Way::Card }),
            raised(Alarm::DoorForced),
        ]
    );
}

#[test]
fn forced_and_held_are_alarms_until_the_door_closes() {
    let mut w = World::new(|_| {});
    assert_eq!(w.contact(0, true), vec![raised(Alarm::DoorForced)]);
    assert_eq!(w.at(30_000, Input::Tick), vec![raised(Alarm::DoorHeld)]);
    assert_eq!(
        w.contact(40_000, false),
        vec![cleared(Alarm::DoorForced), cleared(Alarm::DoorHeld)]
    );
}

#[test]
fn a_contact_that_repeats_itself_changes_nothing() {
    let mut w = World::new(|_| {});
    w.card(0, 1);
    w.contact(100, true);
    assert_eq!(w.contact(200, true), vec![]);
}

#[test]
fn exit_is_never_denied() {
    let mut w = World::new(|_| {});
    w.list = List::default();
    w.wall = None;
    assert_eq!(w.at(0, Input::Rex { door: DOOR }), granted(Way::Rex));
    assert_eq!(
        w.contact(500, true)[1],
        Command::Record(EventKind::AccessTaken { door: DOOR, way: Way::Rex })
    );
}

#[test]
fn each_denial_has_its_reason() {
    let mut w = World::new(|_| {});
    for (card, reason) in [
        (99, Reason::CredentialNotFound),
        (3, Reason::CredentialNotEnabled),
        (4, Reason::CredentialExpired),
        (5, Reason::CredentialNotActive),
    ] {
        assert_eq!(w.card(0, card), denied(Way::Card, reason), "card {card}");
    }
    assert_eq!(w.gate.mode(DOOR), Some(DoorMode::Locked));
}

#[test]
fn a_face_opens_only_where_it_was_chosen_beside_a_card() {
    let mut w = World::new(|_| {});
    assert_eq!(w.face(0, 0, Some(1)), granted(Way::Face));
    for (subject, reason) in [
        (None, Reason::CredentialNotFound),
        (Some(77), Reason::CredentialNotFound),
        (Some(2), Reason::CredentialNotEnabled),
        (Some(6), Reason::CredentialNotEnabled),
    ] {
        assert_eq!(w.face(10, 10, subject), denied(Way::Face, reason), "{subject:?}");
    }
}

#[test]
fn a_stale_face_and_one_from_the_future_open_nothing() {
    let mut w = World::new(|_| {});
    assert_eq!(w.face(1_001, 0, Some(1)), denied(Way::Face, Reason::Other));
    assert_eq!(w.face(1_001, 1_002, Some(1)), denied(Way::Face, Reason::Other));
    assert_eq!(w.face(2_000, 1_000, Some(1)), granted(Way::Face));
}

#[test]
fn a_face_that_is_not_shown_to_live_opens_nothing() {
    let mut w = World::new(|_| {});
    let seen = Observation { liveness: Liveness::NotShown, ..observation(0, Some(1)) };
    assert_eq!(w.at(0, Input::Face(seen)), denied(Way::Face, Reason::Unauthorized));
}

#[test]
fn faces_that_were_refused_change_no_card_decision() {
    let cards = [1, 99, 3, 4, 1, 2];
    let mut with = World::new(|_| {});
    let mut without = World::new(|_| {});
    for (i, card) in cards.into_iter().enumerate() {
        let ms = 10_000 * i as u64;
        with.face(ms, ms, None);
        with.face(ms, ms, Some(2));
        // Both answers include what was due before this card.
        assert_eq!(with.card(ms + 10, card).last(), without.card(ms + 10, card).last());
    }
}

#[test]
fn without_a_trusted_clock_unlimited_cards_work_and_limited_ones_follow_the_rule() {
    let mut w = World::new(|_| {});
    w.wall = None;
    assert_eq!(w.card(0, 1), granted(Way::Card));
    assert_eq!(w.card(0, 4), denied(Way::Card, Reason::NotPermittedAtThisTime));
    let mut w = World::new(|o| o.untrusted_clock = UntrustedClock::Allow);
    w.wall = None;
    assert_eq!(w.card(0, 4), granted(Way::Card));
}

#[test]
fn fire_wins_and_ends_with_the_door_locked() {
    let mut w = World::new(|_| {});
    let fire = |on| {
        let event = |door, alarm| {
            if on {
                EventKind::AlarmRaised { door, reader: None, alarm }
            } else {
                EventKind::AlarmCleared { door, reader: None, alarm }
            }
        };
        Command::Record(event(None, Alarm::Fire))
    };
    assert_eq!(
        w.at(0, Input::Fire { active: true }),
        vec![Command::Energise { door: DOOR }, fire(true)]
    );
    // A card during the fire is granted and its end doesn't lock; the leaf moving is no break-in.
    assert_eq!(w.card(100, 1).len(), 1);
    assert_eq!(w.at(5_100, Input::Tick).len(), 1);
    assert_eq!(w.gate.mode(DOOR), Some(DoorMode::Unlocked));
    assert_eq!(w.contact(6_000, true), vec![]);
    assert_eq!(
        w.at(9_000, Input::Fire { active: false }),
        vec![Command::Release { door: DOOR }, fire(false)]
    );
}

#[test]
fn doors_and_readers_that_do_not_exist_do_nothing() {
    let mut w = World::new(|_| {});
    assert_eq!(w.at(0, Input::Rex { door: DoorId(9) }), vec![]);
    assert_eq!(w.at(0, Input::Contact { door: DoorId(9), open: true }), vec![]);
    let Ok(format) = "h10301".parse() else { return };
    let card = CardNumber::new(format, 1);
    assert_eq!(w.at(0, Input::Card { reader: ReaderId(9), card }), vec![]);
}

fn pin_world() -> World {
    let pin = PinOptions { total: Duration::from_secs(10), between_keys: Duration::from_secs(5) };
    World::new(|o| o.readers[0].pin = Some(pin))
}

#[test]
fn a_card_waits_for_its_pin_and_is_decided_once() {
    let mut w = pin_world();
    let show = |signal| Command::Show { reader: READER, signal };
    let card = CardNumber::new("h10301".parse().expect("a name"), 1);
    let waiting = w.all_at(0, Input::Card { reader: READER, card });
    assert_eq!(waiting, [show(Signal::EnterPin)]);
    assert_eq!(w.keys(100, "1407"), []);
    let opened = w.all_at(900, Input::Key { reader: READER, key: Key::Enter });
    assert_eq!(opened, [granted(Way::Card), vec![show(Signal::Granted)]].concat());
    assert_eq!(w.keys(1_000, "1407#"), [], "keys without a card open nothing");
    // Cleared and typed anew; the same card once more begins anew.
    w.card(10_000, 1);
    assert_eq!(w.keys(10_100, "99*1407#"), granted(Way::Card));
    let again =
        [w.card(20_000, 1), w.keys(20_100, "9"), w.card(21_000, 1), w.keys(21_100, "1407#")];
    assert_eq!(again.concat().last(), granted(Way::Card).last());
}

#[test]
fn a_wrong_missing_or_late_pin_opens_nothing() {
    let refused = denied(Way::Card, Reason::InvalidPin);
    for (card, keys) in [
        (1, "1408#"),
        (1, "#"),
        (1, "14070#"),
        (1, "140#"),
        (1, "1407140714071407#"),
        (2, "2407#"),
        (1, "3407#"),
    ] {
        let mut w = pin_world();
        assert_eq!(w.card(0, card), []);
        assert_eq!(w.keys(100, keys), refused, "{card} {keys}");
        assert_eq!(w.gate.deadline(), None, "{card} {keys}: decided once");
    }
    // No key at all, and keys that come too slowly.
    let mut w = pin_world();
    w.card(0, 1);
    assert_eq!(w.gate.deadline(), Some(Instant(10_000_000)), "the first key has the whole time");
    assert_eq!(w.at(10_000, Input::Tick), refused);
    w.card(15_000, 1);
    w.keys(16_000, "1");
    assert_eq!(w.gate.deadline(), Some(Instant(21_000_000)), "the next key has five seconds");
    assert_eq!(w.keys(21_001, "407#"), refused);
    w.card(40_000, 1);
    for (at, key) in [(43_000, "1"), (46_000, "4"), (49_000, "0")] {
        assert_eq!(w.keys(at, key), []);
    }
    assert_eq!(w.gate.deadline(), Some(Instant(50_000_000)), "ten seconds in all");
    assert_eq!(w.keys(50_001, "7#"), refused, "a late call decides as a punctual one");
    // Another card takes its place: the first is decided, once.
    w.card(52_000, 1);
    assert_eq!(w.card(53_000, 2), refused);
    assert_eq!(w.keys(53_100, "1407#"), refused);
    // A card that may not pass anyway is told so, PIN or none.
    w.card(60_000, 4);
    assert_eq!(w.keys(60_100, "4407#"), denied(Way::Card, Reason::CredentialExpired));
}

#[test]
fn a_pin_is_its_reader_s_business_alone() {
    let pin = PinOptions { total: Duration::from_secs(10), between_keys: Duration::from_secs(5) };
    let mut w = World::new(|o| o.readers.push(ReaderOptions { door: DOOR, pin: Some(pin) }));
    let card = CardNumber::new("h10301".parse().expect("a name"), 1);
    assert_eq!(w.at(0, Input::Card { reader: ReaderId(1), card }), []);
    assert_eq!(w.card(100, 2), granted(Way::Card), "another reader, the same door");
    assert_eq!(w.face(200, 100, Some(1)), granted(Way::Face));
    assert_eq!(w.keys(300, "1407#"), [], "keys at a reader that asks for none");
    assert!(w.gate.pins.next().is_some(), "the card still waits");
}

#[test]
fn a_face_s_signal_goes_to_all_readers_of_the_door() {
    let mut w = World::new(|o| {
        o.doors.push(o.doors[0].clone());
        o.readers.push(ReaderOptions { door: DoorId(1), pin: None });
        o.readers.push(ReaderOptions { door: DOOR, pin: None });
    });
    let mut shown = |subject| -> Vec<_> {
        let out = w.all_at(200, Input::Face(observation(100, subject)));
        let shown = out.into_iter().filter(|c| matches!(c, Command::Show { .. }));
        shown.collect()
    };
    let both = |signal| [0, 2].map(|r| Command::Show { reader: ReaderId(r), signal });
    assert_eq!(shown(Some(1)), both(Signal::Granted));
    assert_eq!(shown(None), both(Signal::UseYourCard));
}
