//! One grant, one passage; what sensors make of those who go.

use super::stage_tests::{of, play, usual, with_exit_reader};
use crate::access::*;
use crate::domain::*;

fn with_beams() -> Options {
    let mut options = usual();
    options.doors[0].sensor = PassageSensor::Beams;
    options
}

#[test]
fn two_people_are_two_grants_in_order() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 2s card 2 -> AccessGranted card
         # the first goes; the second has the whole time from then on
         at 3s opens -> AccessTaken card
         at 4s closes
         at 7.9s opens -> lock, AccessTaken card
         at 9s closes",
    );
}

#[test]
fn the_second_has_a_turn_also_if_the_first_never_goes() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 4s face 2 -> Denied face CredentialNotEnabled
         at 4.5s card 2 -> AccessGranted card
         at 5s time -> AccessNotTaken card
         at 10s time -> lock, AccessNotTaken card",
    );
}

#[test]
fn two_through_one_opening_have_both_gone() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s card 2 -> AccessGranted card
         at 2s opens -> AccessTaken card
         # a contact can't count: the door stood open in the second one's turn
         at 7s time -> lock, AccessTaken card
         at 8s closes",
    );
}

#[test]
fn a_card_before_an_open_door_is_granted_and_counts_as_used() {
    play(
        usual(),
        "at 0s guard sets Unlocked -> unlock, DoorModeChanged Unlocked by guard
         at 1s opens
         at 2s guard ends it -> lock, DoorModeChanged Locked by schedule
         at 3s card 1 -> unlock, AccessGranted card
         at 8s time -> lock, AccessTaken card
         at 32s time -> AlarmRaised door-held",
    );
}

#[test]
fn one_persons_card_and_face_are_one_grant() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s face 1
         at 2s opens -> lock, AccessTaken card
         # recognised while going through
         at 3s face 1
         at 4s closes
         # once its time is over, it is a new presentation
         at 5s face 1 -> unlock, AccessGranted face
         # whoever shows the card as well gets the whole time again
         at 9s card 1
         at 13.9s opens -> lock, AccessTaken face
         at 14s closes
         # a card is shown on purpose and is always answered
         at 14.5s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn who_passed_is_said_once_they_did_and_of_nobody_who_turned_round() {
    play(
        usual(),
        "at 0s readers shown
         at 1s face 1 -> unlock, AccessGranted face, reader 0 shows Granted
         at 2s opens -> lock, AccessTaken face, person 1 passed
         at 3s closes
         at 20s face 1 -> unlock, AccessGranted face, reader 0 shows Granted
         at 25s time -> lock, AccessNotTaken face",
    );
    // Where no contact can tell, whoever was let in is taken to have passed when their time is over.
    let mut blind = usual();
    blind.doors[0].contact = false;
    blind.doors[0].relock_on_open = false;
    play(
        blind,
        "at 0s readers shown
         at 1s face 1 -> unlock, AccessGranted face, reader 0 shows Granted
         at 6s time -> lock, person 1 passed",
    );
}

#[test]
fn two_that_were_let_in_are_both_seen_in_passing() {
    play(
        usual(),
        "person 7 has card, face
         at 0s card 1 -> unlock, AccessGranted card
         at 1s card 7 -> AccessGranted card
         at 2s opens -> AccessTaken card
         at 2.5s face 1
         at 3s face 7
         at 3.5s closes
         at 4s opens -> lock, AccessTaken card
         at 4.5s face 1
         at 4.9s face 7",
    );
}

#[test]
fn nobody_prolongs_a_turn_that_is_another_ones_or_by_being_seen() {
    play(
        usual(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 3s face 1
         at 5s time -> lock, AccessNotTaken card
         at 10s card 1 -> unlock, AccessGranted card
         at 11s card 2 -> AccessGranted card
         at 12s card 2
         at 15s time -> AccessNotTaken card
         at 20s time -> lock, AccessNotTaken card",
    );
}

#[test]
fn so_many_at_once_is_a_crowd() {
    let people: String = (11..=19).map(|n| format!("person {n} has card\n")).collect();
    play(
        with_exit_reader(of(DoorKind::Closer)),
        &(people
            + "at 0s card 11 -> unlock, AccessGranted card
               at 0s card 12 -> AccessGranted card
               at 0s card 13 -> AccessGranted card
               at 0s card 14 -> AccessGranted card
               at 0s card 15 -> AccessGranted card
               at 0s card 16 -> AccessGranted card
               at 0s card 17 -> AccessGranted card
               at 0s card 18 -> AccessGranted card
               at 0s card 19 -> Denied card Other
               at 0s guard lets in -> Denied operator Other
               # leaving is never denied, not even in a crowd
               at 1s exit asked
               at 2s card 2 reader 1
               # the lock stayed released for them: the first one's turn ends so much later
               at 7s time -> AccessNotTaken card"),
    );
}

#[test]
fn beams_tell_opening_from_going_through() {
    play(
        with_beams(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock
         at 2s passes in -> AccessTaken card
         at 3s closes
         # opened, and nobody went
         at 10s card 1 -> unlock, AccessGranted card
         at 11s opens -> lock
         at 12s outer broken
         at 13s outer free
         # the door is still theirs
         at 14s closes -> unlock
         at 15s time -> lock, AccessNotTaken card",
    );
}

#[test]
fn who_follows_is_counted() {
    play(
        with_beams(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock
         at 2s passes in -> AccessTaken card
         at 3s passes in -> Tailgating 1
         at 4s passes in -> Tailgating 2
         at 5s closes
         # still in the beams as the leaf shut behind them
         at 6s passes in -> Tailgating 3
         # somebody who leaves meanwhile follows nobody
         at 20s card 2 -> unlock, AccessGranted card
         at 21s opens -> lock
         at 22s passes in -> AccessTaken card
         at 23s passes out
         at 24s passes in -> Tailgating 1
         # a third one shows a card first, before the same open door
         at 24.2s card 1 -> unlock, AccessGranted card
         at 24.4s passes in -> lock, AccessTaken card
         at 24.6s passes in -> Tailgating 2
         at 25s closes
         at 60s passes in",
    );
}

#[test]
fn two_grants_let_two_in_and_the_third_follows() {
    play(
        with_beams(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s card 2 -> AccessGranted card
         at 2s opens
         at 3s passes in -> AccessTaken card
         at 4s passes in -> lock, AccessTaken card
         at 5s passes in -> Tailgating 1",
    );
}

#[test]
fn against_the_way_that_was_granted() {
    play(
        with_beams(),
        "at 0s exit pressed -> unlock, AccessGranted rex
         at 0.1s exit released
         at 1s opens -> lock
         # somebody slips in as another leaves
         at 2s passes in -> WrongWay
         at 3s passes out -> AccessTaken rex
         at 4s closes
         at 10s card 1 -> unlock, AccessGranted card
         at 11s opens -> lock
         at 12s passes out -> WrongWay
         at 13s passes in -> AccessTaken card",
    );
}

#[test]
fn both_ways_at_once_each_have_their_own_grant() {
    play(
        with_exit_reader(with_beams()),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s card 2 reader 1 -> AccessGranted card
         at 2s opens
         at 3s passes out -> AccessTaken card
         at 4s passes in -> lock, AccessTaken card",
    );
}

#[test]
fn over_a_turnstile_close_behind_another() {
    play(
        of(DoorKind::Turnstile),
        "at 0s card 1 -> in on, AccessGranted card
         at 200ms time -> in off
         at 2s turns in -> AccessTaken card
         at 3s turns in -> Tailgating 1
         at 4s turns in -> Tailgating 2
         at 5s status -> Locked, cards up, faces up
         at 10s turns in -> siren on, AlarmRaised door-forced, AlarmCleared door-forced
         at 190s time -> siren off
         # behind the next one they are counted anew
         at 200s card 1 -> in on, AccessGranted card
         at 200.2s time -> in off
         at 201s turns in -> AccessTaken card
         at 202s turns in -> Tailgating 1
         at 250s nothing",
    );
}

#[test]
fn a_beam_at_fault_claims_nothing() {
    play(
        with_beams(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s inner cut -> LineChanged inner-beam cut, AlarmRaised line-fault
         at 2s opens -> lock
         at 5s time
         at 6s closes
         at 7s inner normal -> LineChanged inner-beam normal, AlarmCleared line-fault
         at 8s card 1 -> unlock, AccessGranted card
         at 9s opens -> lock
         at 10s passes in -> AccessTaken card",
    );
}

#[test]
fn a_beam_that_fails_while_somebody_is_in_it_makes_no_passage() {
    play(
        with_beams(),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock
         at 2s outer broken
         at 2s inner broken
         at 3s outer cut -> LineChanged outer-beam cut, AlarmRaised line-fault
         at 4s outer free -> LineChanged outer-beam normal, AlarmCleared line-fault
         at 4.1s inner free
         at 4.5s passes in -> AccessTaken card",
    );
}

#[test]
fn without_a_leaf_beams_lock_behind_whoever_passed() {
    let mut options = with_beams();
    options.doors[0].contact = false;
    options.doors[0].relock_on_open = false;
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 2s passes in -> lock, AccessTaken card
         at 3s passes in -> Tailgating 1
         at 9s passes in -> siren on, AlarmRaised door-forced, AlarmCleared door-forced",
    );
}

#[test]
fn a_guard_lets_one_through() {
    play(
        usual(),
        "at 0s guard lets in -> unlock, AccessGranted operator
         at 1s opens -> lock, AccessTaken operator
         at 2s closes
         at 3s guard lets out -> unlock, AccessGranted operator
         at 8s time -> lock, AccessNotTaken operator",
    );
}

#[test]
fn each_who_leaves_has_their_own_grant() {
    play(
        with_exit_reader(usual()),
        "at 0s exit asked -> unlock, AccessGranted rex
         at 1s card 2 reader 1 -> AccessGranted card
         at 1s guard lets out -> AccessGranted operator
         # who pushed a button isn't known: twice in a hurry is one
         at 1s exit asked
         at 2s opens -> AccessTaken rex
         at 3s closes
         at 4s opens -> AccessTaken card
         at 5s closes
         at 6s opens -> lock, AccessTaken operator",
    );
}

#[test]
fn a_grant_has_its_turn_after_a_short_call() {
    // The first one's turn was over while nobody called: the second one's counts from then.
    let mut options = usual();
    options.doors[0].open = Duration::from_secs(5);
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s card 2 -> AccessGranted card
         late at 9s nothing -> AccessNotTaken card
         at 10s time -> lock, AccessNotTaken card",
    );
}
