//! Each kind of door, its lock and its leaf.

use super::stage_tests::{of, play, usual};
use crate::access::*;
use crate::domain::*;

#[test]
fn a_strike_locks_again_as_the_leaf_moves() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 3s closes
         at 4s opens -> siren on, AlarmRaised door-forced
         at 5s closes -> AlarmCleared door-forced",
    );
}

#[test]
fn a_grant_nobody_uses_ends_and_is_reported() {
    play(
        usual(),
        "at 0s card 2 -> unlock, AccessGranted card
         at 4.999s nothing
         at 5s time -> lock, AccessNotTaken card
         at 1h nothing",
    );
}

#[test]
fn a_late_call_decides_as_a_punctual_one() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         late at 7s opens -> lock, AccessNotTaken card, siren on, AlarmRaised door-forced",
    );
}

#[test]
fn a_magnet_is_energised_to_lock() {
    play(
        of(DoorKind::Magnet),
        "at 0s card 1 -> unlock (coil off), AccessGranted card
         at 1s opens -> lock (coil on), AccessTaken card
         at 2s closes
         at 3s fire active -> unlock (coil off), LineChanged fire active, AlarmRaised fire",
    );
}

#[test]
fn a_leaf_without_relocking_stays_released_for_its_time() {
    let mut options = of(DoorKind::Closer);
    options.doors[0].relock_on_open = false;
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> AccessTaken card
         at 2s closes
         # within its time it opens again without being forced
         at 3s opens
         at 4s closes
         at 5s time -> lock",
    );
}

#[test]
fn a_bolt_is_never_shot_while_the_leaf_is_open() {
    play(
        of(DoorKind::Bolt),
        "at 0s card 1 -> unlock, AccessGranted card
         at 4s opens -> AccessTaken card
         at 20s closes -> lock
         # unused, it locks after its time
         at 30s card 1 -> unlock, AccessGranted card
         at 35s time -> lock, AccessNotTaken card
         # locked down while open: it waits for the leaf all the same
         at 40s card 1 -> unlock, AccessGranted card
         at 41s opens -> AccessTaken card
         at 42s guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 43s closes -> lock
         at 44s guard ends it -> DoorModeChanged Locked by schedule",
    );
}

#[test]
fn a_bolt_whose_contact_fails_locks_after_its_time() {
    play(
        of(DoorKind::Bolt),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> AccessTaken card
         at 10s contact cut -> LineChanged contact cut, AlarmRaised line-fault
         at 15s time -> lock",
    );
}

#[test]
fn a_barrier_gets_a_pulse_and_its_rising_shows_nothing() {
    play(
        of(DoorKind::Barrier),
        "at 0s card 1 -> unlock, AccessGranted card
         at 500ms time -> lock
         at 2s opens
         at 9s closes
         at 20s card 1 -> unlock, AccessGranted card
         at 20.5s time -> lock
         # its arm is lifted by hand
         at 1m opens -> siren on, AlarmRaised door-forced
         at 61s closes -> AlarmCleared door-forced",
    );
}

#[test]
fn a_turnstile_gets_a_pulse_for_each_person_each_way() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 200ms time -> in off
         at 2s turns in -> AccessTaken card
         at 3s exit pressed -> out on, AccessGranted rex
         at 3.1s exit released
         at 3.2s time -> out off
         at 4s turns out -> AccessTaken rex
         # it times the passage itself: unused, the grant is over with it
         at 10s card 2 -> in on, AccessGranted card
         at 10.2s time -> in off
         # shown again, no second pulse
         at 11s card 2
         at 15s time -> AccessNotTaken card
         at 20s turns in -> siren on, AlarmRaised door-forced, AlarmCleared door-forced",
    );
}

#[test]
fn a_turnstile_pulses_for_the_second_once_the_first_is_through() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 100ms card 2 -> AccessGranted card
         at 200ms time -> in off
         at 3s turns in -> in on, AccessTaken card
         at 3.2s time -> in off
         at 4s turns in -> AccessTaken card",
    );
}

#[test]
fn a_second_pulse_has_a_pause_before_it() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 50ms card 2 -> AccessGranted card
         # through before the pulse was over
         at 100ms turns in -> AccessTaken card
         at 200ms time -> in off
         at 400ms time -> in on
         at 600ms time -> in off
         at 2s turns in -> AccessTaken card
         # out: shown twice, it is one pulse
         at 10s exit asked -> out on, AccessGranted rex
         at 10.2s time -> out off
         at 11s exit asked
         at 12s turns out -> AccessTaken rex",
    );
}

#[test]
fn a_pulse_has_its_length_also_after_a_late_call() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 200ms time -> in off
         at 1s card 2 -> AccessGranted card
         late at 7s nothing -> in on, AccessNotTaken card
         at 7.2s time -> in off",
    );
}

#[test]
fn a_barrier_rises_once_for_those_who_come_together() {
    play(
        of(DoorKind::Barrier),
        "at 0s card 1 -> unlock, AccessGranted card
         at 100ms exit asked -> AccessGranted rex
         at 500ms time -> lock
         # whoever wants in waits for their turn, whether or not the arm is seen to rise
         at 2s card 2 -> AccessGranted card
         at 3s opens
         at 4s closes
         at 5s time -> unlock
         at 5.5s time -> lock
         at 10s time -> unlock
         at 10.5s time -> lock
         at 1h nothing",
    );
}

#[test]
fn a_pulse_that_outlasts_the_passage_is_no_break_in() {
    let mut options = usual();
    options.doors[0].drive = Drive::Pulse { length: Duration::from_secs(2) };
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 500ms opens -> AccessTaken card
         at 1s closes
         at 1.5s opens
         at 1.8s closes
         at 2s time -> lock
         at 3s opens -> siren on, AlarmRaised door-forced",
    );
}

#[test]
fn a_mode_is_no_reason_for_another_pulse() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 200ms time -> in off
         at 1s guard sets Locked -> DoorModeChanged Locked by guard
         at 2s turns in -> AccessTaken card",
    );
}

#[test]
fn a_turnstile_times_the_passage_itself_also_for_those_who_need_longer() {
    play(
        of(DoorKind::Turnstile),
        "person 7 has card, longer
         at 0s card 7 -> in on, AccessGranted card
         at 200ms time -> in off
         at 5s time -> AccessNotTaken card",
    );
}

#[test]
fn a_turnstile_is_stopped_when_it_is_locked_down() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 100ms guard sets LockedDown -> in off, stop on, DoorModeChanged LockedDown by guard, AccessNotTaken card
         at 300ms time -> stop off
         at 1s exit pressed -> out on, AccessGranted rex",
    );
}

#[test]
fn left_open_it_warns_and_then_alarms() {
    let mut options = usual();
    options.doors[0].warn_before = Some(Duration::from_secs(10));
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 21s time -> warning on, DoorHeldWarning
         at 31s time -> AlarmRaised door-held
         at 40s closes -> warning off, AlarmCleared door-held
         # closed in time, it says nothing
         at 60s card 1 -> unlock, AccessGranted card
         at 61s opens -> lock, AccessTaken card
         at 80s closes
         at 120s nothing",
    );
}

#[test]
fn whoever_needs_longer_gets_longer() {
    play(
        usual(),
        "person 7 has card, longer
         at 0s card 7 -> unlock, AccessGranted card
         at 15s time -> lock, AccessNotTaken card
         at 20s card 7 -> unlock, AccessGranted card
         at 34s opens -> lock, AccessTaken card
         at 94s time -> AlarmRaised door-held",
    );
}

#[test]
fn a_cut_contact_is_reported_and_nothing_is_claimed() {
    play(
        usual(),
        "at 0s contact cut -> LineChanged contact cut, AlarmRaised line-fault
         at 1s card 1 -> unlock, AccessGranted card
         at 6s time -> lock
         at 10s contact short -> LineChanged contact short
         # found open when it can be told again: not forced, but not for long either
         at 20s contact open -> LineChanged contact active, AlarmCleared line-fault
         at 50s time -> AlarmRaised door-held
         at 60s closes -> AlarmCleared door-held",
    );
}

#[test]
fn a_contact_that_repeats_itself_changes_nothing() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s opens
         at 3s closes
         at 4s closes",
    );
}

#[test]
fn without_a_contact_nothing_is_claimed() {
    let mut options = usual();
    options.doors[0].contact = false;
    options.doors[0].relock_on_open = false;
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 5s time -> lock",
    );
}

#[test]
fn what_each_kind_of_door_can_claim() {
    let claims = |passage, direction, tailgate| Claims { passage, direction, tailgate };
    let (none, opened, all) =
        (claims(false, false, false), claims(true, false, false), claims(true, true, true));
    for (kind, contact, sensor, expected) in [
        (DoorKind::Strike, false, PassageSensor::None, none),
        (DoorKind::Strike, true, PassageSensor::None, opened),
        (DoorKind::Magnet, true, PassageSensor::None, opened),
        (DoorKind::Closer, true, PassageSensor::None, opened),
        (DoorKind::Bolt, true, PassageSensor::None, opened),
        (DoorKind::Barrier, true, PassageSensor::None, none),
        (DoorKind::Barrier, true, PassageSensor::Beams, all),
        (DoorKind::Turnstile, true, PassageSensor::None, none),
        (DoorKind::Turnstile, false, PassageSensor::Contacts, all),
        (DoorKind::Strike, true, PassageSensor::Beams, all),
        (DoorKind::Strike, false, PassageSensor::Beams, all),
    ] {
        assert_eq!(kind.claims(contact, sensor), expected, "{kind:?} {contact} {sensor:?}");
    }
}

#[test]
fn doors_and_readers_that_do_not_exist_do_nothing() {
    play(
        usual(),
        "at 0s card 1 reader 9
         at 1s exit pressed door 9
         at 2s exit asked door 9
         at 3s opens door 9
         at 4s guard lets in door 9
         at 5s guard sets Unlocked door 9
         at 6s keys 12# reader 9
         at 7s reader dead reader 9",
    );
}
