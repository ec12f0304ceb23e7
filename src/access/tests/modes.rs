//! Door modes after ONVIF: who set them, until when, and what they allow.

use super::stage_tests::{play, usual};
use crate::access::*;

#[test]
fn free_for_a_while_by_a_guards_order() {
    play(
        usual(),
        "at 0s guard sets Unlocked for 10m -> unlock, DoorModeChanged Unlocked by guard until 10m
         at 1m opens
         # open as long as it is free
         at 5m closes
         at 6m card 99 -> Denied card CredentialNotFound
         at 7m card 1 -> AccessGranted card
         at 7.01m opens -> AccessTaken card
         at 8m status -> Unlocked, cards up, faces up
         at 10m time -> lock, DoorModeChanged Locked by schedule
         # left open, it counts from the end
         at 10.5m time -> AlarmRaised door-held",
    );
}

#[test]
fn locked_down_nobody_gets_in_and_whoever_wants_out_does() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s guard sets LockedDown -> lock, DoorModeChanged LockedDown by guard, AccessNotTaken card
         at 2s card 1 -> Denied card NotPermittedAtThisTime
         at 3s guard lets in -> Denied operator NotPermittedAtThisTime
         at 4s exit pressed -> unlock, AccessGranted rex
         at 5s opens -> lock, AccessTaken rex
         at 6s exit released
         at 7s closes
         # obeys nothing but its end
         at 8s guard sets Unlocked
         at 9s status -> LockedDown, cards up, faces up
         at 10s guard ends it -> DoorModeChanged Locked by schedule
         at 11s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn locked_open_obeys_nothing_but_its_end_either() {
    play(
        usual(),
        "at 0s guard sets LockedOpen -> unlock, DoorModeChanged LockedOpen by guard
         at 1s guard sets LockedDown
         at 2s status -> LockedOpen, cards up, faces up
         at 3s guard ends it -> lock, DoorModeChanged Locked by schedule
         at 4s guard sets Accessed
         at 5s status -> Locked, cards up, faces up",
    );
}

#[test]
fn blocked_can_be_changed_by_the_next_order() {
    play(
        usual(),
        "at 0s guard sets Blocked -> DoorModeChanged Blocked by guard
         at 1s card 1 -> Denied card NotPermittedAtThisTime
         at 2s guard sets Locked -> DoorModeChanged Locked by guard
         at 3s card 1 -> unlock, AccessGranted card
         at 4s status -> Accessed, cards up, faces up",
    );
}

#[test]
fn whoever_is_leaving_keeps_their_grant_when_it_is_locked_down() {
    play(
        usual(),
        "at 0s exit asked -> unlock, AccessGranted rex
         at 1s card 1 -> AccessGranted card
         at 2s guard sets LockedDown -> DoorModeChanged LockedDown by guard, AccessNotTaken card
         at 3s opens -> lock, AccessTaken rex
         at 4s closes
         # and where the one who wanted in was first
         at 5s guard ends it -> DoorModeChanged Locked by schedule
         at 6s card 1 -> unlock, AccessGranted card
         at 7s exit asked -> AccessGranted rex
         at 8s guard sets LockedDown -> DoorModeChanged LockedDown by guard, AccessNotTaken card
         at 12s opens -> lock, AccessTaken rex",
    );
}

#[test]
fn a_mode_survives_a_restart_and_still_ends() {
    play(
        usual(),
        "at 0s guard sets Unlocked for 10m -> unlock, DoorModeChanged Unlocked by guard until 10m
         at 5m restart -> unlock, siren off
         at 10m time -> lock, DoorModeChanged Locked by schedule
         at 11m restart -> lock, siren off
         at 12m guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 13m restart -> lock, siren off
         at 14m card 1 -> Denied card NotPermittedAtThisTime",
    );
}

#[test]
fn a_mode_set_once_more_is_reported_where_it_says_something_new() {
    play(
        usual(),
        "at 0s guard sets Blocked -> DoorModeChanged Blocked by guard
         at 1s guard sets Blocked
         at 2s office sets Blocked -> DoorModeChanged Blocked by office
         at 3s office sets Locked -> DoorModeChanged Locked by office
         at 4s office ends it -> DoorModeChanged Locked by schedule
         at 5s office ends it
         at 1m guard sets Blocked for 9m -> DoorModeChanged Blocked by guard until 10m
         at 2m guard sets Blocked for 18m -> DoorModeChanged Blocked by guard until 20m
         # for good: nothing ends it any more
         at 3m guard sets Blocked
         at 1h nothing
         at 61m status -> Blocked, cards up, faces up",
    );
}

#[test]
fn whoever_gives_an_order_is_told_whether_it_would_be_obeyed() {
    play(
        usual(),
        "at 0s if guard lets in -> obeyed
         at 1s if guard lets in door 9 -> NoDoor
         at 2s if guard sets Accessed -> DoorMode
         at 3s guard sets Blocked -> DoorModeChanged Blocked by guard
         at 4s if guard lets in -> DoorMode
         at 5s if guard lets out -> obeyed
         at 6s if guard sets Unlocked -> obeyed
         at 7s guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 8s if guard sets Unlocked -> DoorMode
         at 9s if guard ends it -> obeyed
         at 10s if guard ends it door 9 -> NoDoor
         at 11s if guard acknowledges -> obeyed",
    );
}

#[test]
fn a_mode_set_while_it_is_open_does_not_begin_the_time_anew() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 20s guard sets Blocked -> DoorModeChanged Blocked by guard
         at 31s time -> AlarmRaised door-held",
    );
}

fn open_by_day() -> Options {
    let mut options = usual();
    options.doors[0].unlock = Some(0);
    options
}

#[test]
fn free_by_schedule() {
    play(
        open_by_day(),
        "at 1h time -> unlock, DoorModeChanged Unlocked by schedule
         at 2h opens
         at 3h closes
         at 9h time -> lock, DoorModeChanged Locked by schedule
         # not on the holiday
         at 26h nothing
         at 49h time -> unlock, DoorModeChanged Unlocked by schedule",
    );
}

#[test]
fn a_schedule_is_kept_to_the_minute_of_the_wall_whenever_the_gate_was_started() {
    play(
        open_by_day(),
        "at 10s clock forward 20s
         at 3580s time -> unlock, DoorModeChanged Unlocked by schedule
         # corrected by a second just as a minute ends: the next one is looked at all the same
         at 3700s clock back 1s
         at 32381s time -> lock, DoorModeChanged Locked by schedule",
    );
}

#[test]
fn a_schedule_is_looked_at_again_when_the_clock_is_set() {
    play(
        open_by_day(),
        "at 1s nothing
         at 2s clock forward 1h -> unlock, DoorModeChanged Unlocked by schedule
         at 3s clock forward 8h -> lock, DoorModeChanged Locked by schedule",
    );
}

#[test]
fn a_schedule_says_nothing_while_the_time_is_unknown() {
    play(
        open_by_day(),
        "at 1h time -> unlock, DoorModeChanged Unlocked by schedule
         at 2h clock lost -> lock, DoorModeChanged Locked by schedule, ClockTrusted false
         at 3h card 2 -> unlock, AccessGranted card
         at 3.1h clock forward 3h -> unlock, ClockTrusted true, DoorModeChanged Unlocked by schedule"
            .replace(
                "at 3.1h",
                "at 10805s time -> lock, AccessNotTaken card
                 at 3.1h",
            )
            .as_str(),
    );
}

#[test]
fn free_only_once_the_first_resident_has_come() {
    let mut options = open_by_day();
    options.doors[0].first_card = true;
    play(
        options,
        "at 1s card 2 -> unlock, AccessGranted card
         at 6s time -> lock, AccessNotTaken card
         at 1h nothing
         at 2h card 99 -> Denied card CredentialNotFound
         at 3h card 2 -> unlock, AccessGranted card, DoorModeChanged Unlocked by schedule
         at 10801s opens -> AccessTaken card
         at 10802s closes
         at 4h restart -> unlock, siren off, DoorModeChanged Unlocked by schedule
         # nor is it forgotten while the time is unknown
         at 5h clock lost -> lock, DoorModeChanged Locked by schedule, ClockTrusted false
         at 6h clock forward 0s -> unlock, ClockTrusted true, DoorModeChanged Unlocked by schedule
         at 9h time -> lock, DoorModeChanged Locked by schedule
         # the next day it waits for the first again
         at 49h nothing
         at 50h exit asked -> unlock, AccessGranted rex
         at 180005s time -> lock, AccessNotTaken rex",
    );
}

#[test]
fn locked_down_by_schedule() {
    let mut options = usual();
    options.doors[0].lock_down = Some(1);
    play(
        options,
        "at 14h card 1 -> DoorModeChanged LockedDown by schedule, Denied card NotPermittedAtThisTime
         at 15h exit asked -> unlock, AccessGranted rex
         at 54005s time -> lock, AccessNotTaken rex
         # an operator's word comes before the schedule's
         at 16h guard sets Locked for 1h -> DoorModeChanged Locked by guard until 1020m
         at 57601s card 1 -> unlock, AccessGranted card
         at 57602s opens -> lock, AccessTaken card
         at 57603s closes
         at 17h time -> DoorModeChanged LockedDown by schedule
         at 22h time -> DoorModeChanged Locked by schedule"
            .replace(
                "at 14h card 1 -> DoorModeChanged LockedDown by schedule, Denied",
                "at 14h time -> DoorModeChanged LockedDown by schedule
                 at 14.1h card 1 -> Denied",
            )
            .as_str(),
    );
}
