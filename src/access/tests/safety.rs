//! Life safety first: fire wins over everything, exit is never denied.

use super::stage_tests::{of, play, usual, with_exit_reader};
use crate::access::*;

#[test]
fn exit_is_never_denied() {
    play(
        usual(),
        "at 0s clock lost -> ClockTrusted false
         at 1s exit pressed -> unlock, AccessGranted rex
         at 2s opens -> lock, AccessTaken rex
         at 3s exit released
         at 4s closes
         at 5s exit asked -> unlock, AccessGranted rex
         # twice in a hurry is one
         at 6s exit asked
         at 11s time -> lock, AccessNotTaken rex",
    );
}

#[test]
fn whoever_leans_on_the_button_still_wants_out() {
    play(
        usual(),
        "at 0s exit pressed -> unlock, AccessGranted rex
         at 9s nothing
         at 11s exit released
         at 15s time -> lock, AccessNotTaken rex
         # held while one leaves: the next can leave too
         at 20s exit pressed -> unlock, AccessGranted rex
         at 21s opens -> lock, AccessTaken rex
         at 23s closes -> unlock, AccessGranted rex
         at 24s exit released
         at 28s time -> lock, AccessNotTaken rex
         # a stuck button
         at 30s exit pressed -> unlock, AccessGranted rex
         at 90s time -> AlarmRaised exit-held
         at 92s exit released -> AlarmCleared exit-held
         at 95s time -> lock, AccessNotTaken rex
         # among others, the one at the button has their turn once more
         at 140s exit pressed -> unlock, AccessGranted rex
         at 141s card 1 -> AccessGranted card
         at 145s time -> AccessNotTaken rex
         at 150s time -> AccessNotTaken card, AccessGranted rex
         at 151s exit released
         at 155s time -> lock, AccessNotTaken rex",
    );
}

#[test]
fn a_cut_exit_button_is_reported_and_opens_nothing() {
    play(
        usual(),
        "at 0s exit cut -> LineChanged rex cut, AlarmRaised line-fault
         at 1s exit short -> LineChanged rex short
         # pressed is pressed, also straight after a fault
         at 2s exit pressed -> unlock, LineChanged rex active, AlarmCleared line-fault, AccessGranted rex
         at 3s exit cut -> LineChanged rex cut, AlarmRaised line-fault
         # the contact is well, and tells
         at 7s time -> lock, AccessNotTaken rex",
    );
}

#[test]
fn a_reader_inside_lets_everybody_out() {
    play(
        with_exit_reader(usual()),
        "at 0s card 2 reader 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 10s card 99 reader 1 -> unlock, AccessGranted rex
         at 15s time -> lock, AccessNotTaken rex
         at 20s card 4 reader 1 -> unlock, AccessGranted rex
         at 25s time -> lock, AccessNotTaken rex
         at 30s guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 31s card 2 reader 1 -> unlock, AccessGranted card
         at 36s time -> lock, AccessNotTaken card
         # unknown cards inside are no guessing
         at 40s card 90 reader 1 -> unlock, AccessGranted rex
         at 41s card 91 reader 1
         at 42s card 92 reader 1
         at 43s card 93 reader 1
         at 44s card 94 reader 1
         at 45s card 95 reader 1
         at 50s time -> lock, AccessNotTaken rex",
    );
}

#[test]
fn fire_wins_over_everything_and_ends_with_the_panel() {
    play(
        usual(),
        "at 0s guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 1s fire active -> unlock, LineChanged fire active, AlarmRaised fire
         at 2s status -> Unlocked, cards up, faces up
         # the leaf moving is no break-in, and may stand open
         at 3s opens
         at 4s card 2 -> Denied card NotPermittedAtThisTime
         at 5m closes
         at 299s nothing
         at 301s time -> AlarmRepeated fire
         at 400s fire normal -> lock, LineChanged fire normal, AlarmCleared fire
         at 401s status -> LockedDown, cards up, faces up"
            .replace("at 5m closes\n         at 299s nothing", "at 299s closes")
            .as_str(),
    );
}

#[test]
fn what_was_granted_in_a_fire_runs_its_course_in_the_books() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s fire active -> LineChanged fire active, AlarmRaised fire
         at 5s time -> AccessNotTaken card
         at 6s card 2 -> AccessGranted card
         at 7s opens -> AccessTaken card
         # over while the door stands open: it locks, and counts from now
         at 10s fire normal -> lock, LineChanged fire normal, AlarmCleared fire
         at 40s time -> AlarmRaised door-held",
    );
}

#[test]
fn a_cut_fire_loop_opens() {
    play(
        usual(),
        "at 0s fire cut -> unlock, LineChanged fire cut, AlarmRaised fire-line
         at 1s fire short -> LineChanged fire short
         at 2s fire normal -> lock, LineChanged fire normal, AlarmCleared fire-line",
    );
}

#[test]
fn or_is_reported_alone_where_the_site_says_so_unless_it_burns() {
    play(
        Options {
            fire: FireOptions { cut: FireCut::Report, relock: FireRelock::WithPanel },
            ..usual()
        },
        "at 0s fire cut -> LineChanged fire cut, AlarmRaised fire-line
         at 1s fire normal -> LineChanged fire normal, AlarmCleared fire-line
         at 2s fire active -> unlock, LineChanged fire active, AlarmRaised fire
         # the fire has burnt through the wire
         at 3s fire cut -> LineChanged fire cut, AlarmRaised fire-line
         at 4s fire normal -> lock, LineChanged fire normal, AlarmCleared fire-line, AlarmCleared fire",
    );
}

#[test]
fn relocking_waits_for_an_operator_where_the_site_says_so() {
    play(
        Options {
            fire: FireOptions { cut: FireCut::Unlock, relock: FireRelock::ByOrder },
            ..usual()
        },
        "at 0s fire normal
         at 1s fire active -> unlock, LineChanged fire active, AlarmRaised fire
         # not while it burns
         at 1.5s guard ends fire
         at 2s fire normal -> LineChanged fire normal, AlarmCleared fire
         at 3s restart -> unlock, siren off
         at 3.5s fire normal
         at 4s guard ends fire -> lock",
    );
}

#[test]
fn a_restart_in_a_fire_leaves_the_doors_open() {
    play(
        of(DoorKind::Turnstile),
        "at 0s fire active -> in on, out on, LineChanged fire active, AlarmRaised fire
         at 1s restart -> in on, out on, stop off, siren off
         at 2s fire active -> LineChanged fire active
         at 3s fire normal -> in off, out off, LineChanged fire normal, AlarmCleared fire",
    );
}

#[test]
fn a_grant_from_the_fire_gets_its_pulse_when_it_is_over() {
    play(
        of(DoorKind::Turnstile),
        "at 0s fire active -> in on, out on, LineChanged fire active, AlarmRaised fire
         at 10s exit asked -> AccessGranted rex
         at 12s fire normal -> in off, LineChanged fire normal, AlarmCleared fire
         at 12.2s time -> out off
         at 13s turns out -> AccessTaken rex",
    );
}

#[test]
fn held_exit_lets_one_after_the_other_out_of_a_turnstile() {
    play(
        of(DoorKind::Turnstile),
        "at 0s exit pressed -> out on, AccessGranted rex
         at 200ms time -> out off
         at 1s turns out -> out on, AccessTaken rex, AccessGranted rex
         at 1.2s time -> out off
         at 2s exit released
         at 3s turns out -> AccessTaken rex",
    );
}

#[test]
fn somebody_leaving_raises_the_barrier_at_once() {
    play(
        of(DoorKind::Barrier),
        "at 0s card 1 -> unlock, AccessGranted card
         at 500ms time -> lock
         at 2s exit asked -> unlock, AccessGranted rex
         at 2.5s time -> lock
         at 3s exit asked -> unlock
         at 3.5s time -> lock
         at 5s time -> unlock
         at 5.5s time -> lock",
    );
}
