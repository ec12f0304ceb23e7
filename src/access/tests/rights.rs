//! Whose right holds when: each denial with its reason, clocks that can't be trusted, limited uses.

use super::stage_tests::{play, usual, with_exit_reader};
use crate::access::*;
use crate::domain::*;

#[test]
fn each_denial_has_its_reason() {
    play(
        usual(),
        "person 7 has card, profile 0
         at 0s card 99 -> Denied card CredentialNotFound
         at 1s card 3 -> Denied card CredentialNotEnabled
         at 2s card 4 -> Denied card CredentialExpired
         at 3s card 5 -> Denied card CredentialNotActive
         at 4s card 6 -> Denied card CredentialNotEnabled
         at 5s card 7 -> Denied card NotPermittedAtThisTime
         at 6s status -> Locked, cards up, faces up",
    );
}

#[test]
fn from_and_until() {
    play(
        usual(),
        "person 7 has card, from 1h, until 2h
         at 59.9m card 7 -> Denied card CredentialNotActive
         at 1h card 7 -> unlock, AccessGranted card
         at 61m time
         late at 1.99h card 7 -> lock, AccessNotTaken card, unlock, AccessGranted card
         late at 2h card 7 -> lock, AccessNotTaken card, Denied card CredentialExpired"
            .replace("         at 61m time\n", "")
            .as_str(),
    );
}

#[test]
fn a_weekly_profile_with_its_holiday() {
    play(
        usual(),
        "person 7 has card, profile 0
         # Monday 8:59 and 9:00
         at 59m card 7 -> Denied card NotPermittedAtThisTime
         at 1h card 7 -> unlock, AccessGranted card
         at 1.1h nothing
         # Tuesday is a holiday; Wednesday 16:59 and 17:00
         at 26h card 7 -> Denied card NotPermittedAtThisTime
         late at 56.99h card 7 -> unlock, AccessGranted card
         late at 57h card 7 -> lock, AccessNotTaken card, Denied card NotPermittedAtThisTime"
            .replace(
                "         at 1.1h nothing\n",
                "         at 3605s time -> lock, AccessNotTaken card\n",
            )
            .as_str(),
    );
}

#[test]
fn hours_that_the_gate_does_not_know_are_none() {
    // The second profile has no number of the site's, so no right can mean it.
    let text = "person 7 has card, profile 1
         person 8 has card, profile 77
         # 23:00, when that profile holds
         at 15h card 7 -> Denied card NotPermittedAtThisTime
         late at 15.1h card 8 -> Denied card NotPermittedAtThisTime
         # also while the time is unknown and such rights count as valid
         late at 15.2h clock lost -> ClockTrusted false
         late at 15.3h card 7 -> Denied card NotPermittedAtThisTime
         late at 15.4h card 8 -> Denied card NotPermittedAtThisTime";
    play(Options { untrusted_clock: UntrustedClock::Allow, ..usual() }, text);
}

#[test]
fn while_the_time_is_unknown_unlimited_rights_work_and_limited_ones_wait() {
    play(
        usual(),
        "person 7 has card, profile 0
         person 8 has card, from 1h
         at 0s clock lost -> ClockTrusted false
         at 1s card 2 -> unlock, AccessGranted card
         at 6s time -> lock, AccessNotTaken card
         at 7s card 7 -> Denied card NotPermittedAtThisTime
         at 8s card 8 -> Denied card NotPermittedAtThisTime
         at 9s card 4 -> Denied card NotPermittedAtThisTime
         at 10s clock forward 0s -> ClockTrusted true
         at 11s card 4 -> Denied card CredentialExpired",
    );
}

#[test]
fn or_they_work_too_where_the_site_says_so() {
    play(
        Options { untrusted_clock: UntrustedClock::Allow, ..usual() },
        "person 7 has card, profile 0
         at 0s clock lost -> ClockTrusted false
         at 1s card 7 -> unlock, AccessGranted card
         at 2s card 4 -> AccessGranted card
         # what doesn't rest on time is refused all the same
         at 3s card 3 -> Denied card CredentialNotEnabled",
    );
}

#[test]
fn a_clock_that_is_set_back_is_not_believed() {
    play(
        usual(),
        "person 7 has card, until 1h
         at 61m card 7 -> Denied card CredentialExpired
         at 61.5m time believed -> 61 minutes after 8:00
         # back before the end
         at 62m clock back 2h -> ClockTrusted false
         at 62.5m time believed -> unknown
         at 63m card 7 -> Denied card NotPermittedAtThisTime
         at 64m card 2 -> unlock, AccessGranted card
         at 64.5m time
         # nor after a restart
         at 65m restart -> lock, siren off
         at 66m card 7 -> Denied card NotPermittedAtThisTime
         # it is right again
         at 67m clock forward 2h -> ClockTrusted true
         at 68m card 7 -> Denied card CredentialExpired"
            .replace("at 64.5m time", "at 3845s time -> lock, AccessNotTaken card")
            .as_str(),
    );
}

#[test]
fn the_highest_time_ever_believed_outlives_a_restart() {
    play(
        usual(),
        "person 7 has card, until 1h
         at 61m card 7 -> Denied card CredentialExpired
         at 62m clock back 30m -> ClockTrusted false
         at 63m restart -> lock, siren off
         at 64m card 7 -> Denied card NotPermittedAtThisTime
         # it is a little after what was kept last
         at 93m time believed -> 63 minutes after 8:00",
    );
}

#[test]
fn a_clock_that_is_corrected_by_a_second_is_believed_and_never_runs_back() {
    play(
        usual(),
        "person 7 has card, until 1h
         at 1h card 7 -> Denied card CredentialExpired
         at 3601s clock back 1.9s
         at 3601.1s card 7 -> Denied card CredentialExpired
         at 3602s clock back 2.2s -> ClockTrusted false",
    );
}

#[test]
fn an_operator_puts_right_what_a_wrong_clock_has_raised() {
    play(
        usual(),
        "person 7 has card, until 1h
         at 0s clock forward 1d
         at 1s clock back 1d -> ClockTrusted false
         at 2s card 7 -> Denied card NotPermittedAtThisTime
         at 3s guard sets floor back 1h
         at 4s card 7 -> ClockTrusted true, unlock, AccessGranted card"
            .replace("ClockTrusted true, unlock,", "unlock, ClockTrusted true,")
            .as_str(),
    );
}

#[test]
fn a_use_is_durable_before_anything_opens() {
    play(
        usual(),
        "person 7 has card, uses 2
         at 0s card 7 -> use 1 kept first, unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 10s card 7 -> use 2 kept first, unlock, AccessGranted card
         at 11s opens -> lock, AccessTaken card
         at 12s closes
         at 20s card 7 -> Denied card CredentialExpired
         at 21s restart -> lock, siren off
         at 22s card 7 -> Denied card CredentialExpired",
    );
}

#[test]
fn a_spent_pass_still_says_who_leaves() {
    play(
        with_exit_reader(usual()),
        "person 7 has card, uses 1
         at 0s card 7 -> use 1 kept first, unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 10s card 7 reader 1 -> unlock, AccessGranted card
         at 11s opens -> lock, AccessTaken card
         at 12s closes
         at 20s card 7 -> Denied card CredentialExpired",
    );
}

#[test]
fn a_use_that_let_nobody_pass_is_given_back() {
    play(
        usual(),
        "person 7 has card, uses 1
         at 0s card 7 -> use 1 kept first, unlock, AccessGranted card
         at 5s time -> lock, AccessNotTaken card
         at 10s card 7 -> use 1 kept first, unlock, AccessGranted card
         # shown twice, it is one use
         at 11s card 7
         at 12s opens -> lock, AccessTaken card
         at 13s closes
         at 20s card 7 -> Denied card CredentialExpired",
    );
}

#[test]
fn where_a_use_cant_be_kept_nothing_opens_and_nothing_is_lost() {
    play(
        usual(),
        "person 7 has card, uses 1
         at 0s disk full
         at 1s card 7 -> use 1 kept first, Denied card Other
         # residents notice nothing
         at 2s card 2 -> unlock, AccessGranted card
         at 3s opens -> lock, AccessTaken card
         at 4s closes
         at 5s disk works
         at 6s card 7 -> use 1 kept first, unlock, AccessGranted card",
    );
}

#[test]
fn while_a_use_is_being_written_nothing_opens_and_nothing_is_used_twice() {
    play(
        usual(),
        "person 7 has card, face, uses 3
         person 8 has card, uses 1
         at 0s disk slow
         at 1s card 7 -> use 1 kept first
         # shown again: the same use
         at 1.5s card 7
         at 1.6s face 7
         # somebody else's is their own
         at 1.7s card 8 -> use 1 kept first
         at 2s disk answers -> unlock, AccessGranted card, AccessGranted card
         at 3s opens -> AccessTaken card
         at 8s time -> lock, AccessTaken card
         at 9s closes
         at 10s card 8 -> Denied card CredentialExpired
         at 11s card 7 -> use 2 kept first, unlock, AccessGranted card",
    );
}

#[test]
fn a_use_that_is_not_written_in_time_opens_nothing_and_is_given_back() {
    play(
        usual(),
        "person 7 has card, uses 1
         at 0s disk slow
         at 1s card 7 -> use 1 kept first
         at 3s time -> Denied card Other
         # too late
         at 4s disk answers
         at 5s card 7 -> use 1 kept first, unlock, AccessGranted card",
    );
}

#[test]
fn what_is_locked_down_while_a_use_is_being_written_stays_shut() {
    play(
        usual(),
        "person 7 has card, uses 1
         at 0s disk slow
         at 1s card 7 -> use 1 kept first
         at 1.5s guard sets LockedDown -> DoorModeChanged LockedDown by guard
         at 2s disk answers -> Denied card NotPermittedAtThisTime
         at 3s guard ends it -> DoorModeChanged Locked by schedule
         at 4s restart -> lock, siren off
         at 5s card 7 -> use 1 kept first, unlock, AccessGranted card",
    );
}

#[test]
fn a_pass_for_two_doors_is_used_up_at_the_first() {
    let mut options = usual();
    options.doors.push(DoorOptions::usual(DoorKind::Strike));
    options.readers.push(ReaderOptions { door: DoorId(1), heading: Heading::In, pin: None });
    play(
        options,
        "person 7 has card, uses 1
         person 8 has card, uses 2
         at 0s disk slow
         at 1s card 7 -> use 1 kept first
         # under way at the other door
         at 1.1s card 7 reader 1 -> Denied card CredentialExpired door 1
         at 1.2s card 8 -> use 1 kept first
         # two uses, one at each door
         at 1.3s card 8 reader 1 -> use 2 kept first
         at 2s disk answers -> unlock, AccessGranted card, AccessGranted card, unlock door 1, AccessGranted card door 1",
    );
}
