//! Options that make no gate, each refused by name.

use super::stage_tests::{of, usual, with_exit_reader};
use crate::access::*;
use crate::domain::*;

fn refused(options: Options) -> Option<Unsound> {
    Gate::new(options).err()
}

fn door(kind: DoorKind, edit: impl FnOnce(&mut DoorOptions)) -> Option<Unsound> {
    let mut options = of(kind);
    edit(&mut options.doors[0]);
    refused(options)
}

fn gate(edit: impl FnOnce(&mut Options)) -> Option<Unsound> {
    let mut options = usual();
    edit(&mut options);
    refused(options)
}

#[test]
fn usual_doors_are_sound() {
    for kind in [
        DoorKind::Strike,
        DoorKind::Magnet,
        DoorKind::Closer,
        DoorKind::Barrier,
        DoorKind::Bolt,
        DoorKind::Turnstile,
    ] {
        assert_eq!(refused(of(kind)), None, "{kind:?}");
    }
}

#[test]
fn doors_that_make_no_sense() {
    const D: DoorId = DoorId(0);
    use DoorKind::*;
    let ms = Duration::from_millis;
    for kind in [Barrier, Bolt, Turnstile] {
        assert_eq!(door(kind, |d| d.relock_on_open = true), Some(Unsound::RelockOnOpen(D)));
    }
    assert_eq!(door(Strike, |d| d.contact = false), Some(Unsound::RelockOnOpen(D)));
    let hold = Some(Unsound::Hold(D));
    assert_eq!(door(Bolt, |d| d.drive = Drive::Latch), hold);
    assert_eq!(door(Bolt, |d| d.contact = false), hold);
    assert_eq!(door(Barrier, |d| d.drive = Drive::HoldWhileOpen), hold);
    let pulse = Some(Unsound::Pulse(D));
    assert_eq!(door(Turnstile, |d| d.drive = Drive::Latch), pulse);
    assert_eq!(door(Turnstile, |d| d.drive = Drive::Pulse { length: ms(99) }), pulse);
    assert_eq!(door(Turnstile, |d| d.drive = Drive::Pulse { length: ms(100) }), None);
    assert_eq!(door(Turnstile, |d| d.drive = Drive::Pulse { length: d.open }), pulse);
    assert_eq!(door(Strike, |d| d.drive = Drive::Pulse { length: ms(10_001) }), pulse);
    let warning = Some(Unsound::Warning(D));
    assert_eq!(door(Strike, |d| d.warn_before = Some(d.held_after)), warning);
    assert_eq!(door(Strike, |d| d.warn_before = Some(Duration::ZERO)), warning);
    assert_eq!(door(Strike, |d| d.sensor = PassageSensor::Contacts), Some(Unsound::Sensor(D)));
    let none = Some(Unsound::NoTime);
    assert_eq!(door(Strike, |d| d.open = Duration::ZERO), none);
    assert_eq!(door(Strike, |d| d.extended_open = Duration::ZERO), none);
    assert_eq!(door(Strike, |d| d.held_after = Duration::ZERO), none);
    assert_eq!(door(Strike, |d| d.extended_held_after = Duration::ZERO), none);
    assert_eq!(door(Strike, |d| d.unlock = Some(2)), Some(Unsound::NoProfile));
    assert_eq!(door(Strike, |d| d.lock_down = Some(2)), Some(Unsound::NoProfile));
}

#[test]
fn gates_that_make_no_sense() {
    let pin = |total, between_keys, hours| PinOptions { total, between_keys, hours };
    let s = Duration::from_secs(1);
    let r = Some(Unsound::Pin(ReaderId(0)));
    assert_eq!(gate(|o| o.readers[0].pin = Some(pin(Duration::ZERO, s, Hours::Always))), r);
    assert_eq!(gate(|o| o.readers[0].pin = Some(pin(s, Duration::ZERO, Hours::Always))), r);
    let profile = Hours::Profile(2);
    assert_eq!(gate(|o| o.readers[0].pin = Some(pin(s, s, profile))), Some(Unsound::NoProfile));
    assert_eq!(gate(|o| o.readers[0].door = DoorId(1)), Some(Unsound::NoDoor));
    let face = FaceOptions { door: DoorId(1), max_age: s };
    assert_eq!(gate(|o| o.face = Some(face)), Some(Unsound::NoDoor));
    assert_eq!(gate(|o| o.interlocks = vec![vec![DoorId(1)]]), Some(Unsound::NoDoor));
    assert_eq!(gate(|o| o.interlocks = vec![vec![DoorId(0)]]), Some(Unsound::Interlock));
    let rule = PassbackRule::Soft;
    let soft = Passback { rule, timeout: None };
    assert_eq!(gate(|o| o.passback = soft), Some(Unsound::NoWayToLeave));
    let passback = Options { passback: soft, ..with_exit_reader(usual()) };
    assert_eq!(refused(passback), None);
    let none = Some(Unsound::NoTime);
    assert_eq!(gate(|o| o.alarms.repeat = Duration::ZERO), none);
    assert_eq!(gate(|o| o.alarms.siren = Duration::ZERO), none);
    assert_eq!(gate(|o| o.alarms.exit_held = Duration::ZERO), none);
    assert_eq!(gate(|o| o.lockout.calm = Duration::ZERO), none);
    assert_eq!(gate(|o| o.lockout.delay = Duration::ZERO), none);
}
