//! Rules about people: anti-passback, interlock, guessing, two factors, duress.

use super::stage_tests::{play, usual, with_exit_reader};
use crate::access::*;
use crate::domain::*;

fn passback(rule: PassbackRule, timeout: Option<Duration>) -> Options {
    Options { passback: Passback { rule, timeout }, ..with_exit_reader(usual()) }
}

#[test]
fn hard_anti_passback() {
    play(
        passback(PassbackRule::Hard, None),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         # handed back over the fence
         at 10s card 1 -> Denied card Unauthorized
         at 11s face 1 -> Denied face Unauthorized
         at 12s card 2 -> unlock, AccessGranted card
         # granted and not taken is not in
         at 17s time -> lock, AccessNotTaken card
         at 18s card 2 -> unlock, AccessGranted card
         at 19s opens -> lock, AccessTaken card
         at 20s closes
         at 21s restart -> lock, siren off
         at 21.5s closes
         at 22s card 1 -> Denied card Unauthorized
         # never against leaving, and then it may come in again
         at 30s card 1 reader 1 -> unlock, AccessGranted card
         at 31s opens -> lock, AccessTaken card
         at 32s closes
         at 40s card 1 reader 1 -> unlock, AccessGranted card
         at 41s opens -> lock, AccessTaken card
         at 42s closes
         at 50s card 1 -> unlock, AccessGranted card
         at 51s opens -> lock, AccessTaken card
         at 52s closes
         at 60s guard forgives
         at 61s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn soft_anti_passback_reports() {
    play(
        passback(PassbackRule::Soft, None),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 10s card 1 -> unlock, AccessGranted card, ApbViolation card",
    );
}

#[test]
fn anti_passback_forgets_after_its_time() {
    play(
        passback(PassbackRule::Hard, Some(Duration::from_secs(600))),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 300s restart -> lock, siren off
         at 600s card 1 -> Denied card Unauthorized
         at 601s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn without_the_rule_nobody_is_kept_in_mind() {
    play(
        with_exit_reader(usual()),
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 10s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn of_two_interlocked_doors_one_opens_at_a_time() {
    let mut options = usual();
    options.doors.push(DoorOptions::usual(DoorKind::Strike));
    options.readers.push(ReaderOptions { door: DoorId(1), heading: Heading::In, pin: None });
    options.interlocks = vec![vec![DoorId(0), DoorId(1)]];
    play(
        options,
        "at 0s card 1 -> unlock, AccessGranted card
         at 1s card 2 reader 1 -> Denied card Other door 1
         at 2s opens -> lock, AccessTaken card
         at 3s card 1 reader 1 -> Denied card Other door 1
         # leaving is never denied
         at 4s exit asked door 1 -> unlock door 1, AccessGranted rex door 1
         at 5s closes
         at 6s card 2 -> Denied card Other
         at 9s time -> lock door 1, AccessNotTaken rex door 1
         at 10s card 1 reader 1 -> unlock door 1, AccessGranted card door 1
         at 15s time -> lock door 1, AccessNotTaken card door 1
         # one that is free for everybody is as good as open
         at 20s guard sets Unlocked door 1 -> unlock door 1, DoorModeChanged Unlocked by guard door 1
         at 21s card 1 -> Denied card Other
         at 22s guard ends it door 1 -> lock door 1, DoorModeChanged Locked by schedule door 1
         at 23s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn guessing_is_slowed_and_a_valid_card_is_answered_all_the_same() {
    play(
        usual(),
        "at 0s card 91 -> Denied card CredentialNotFound
         at 1s card 92 -> Denied card CredentialNotFound
         at 2s card 93 -> Denied card CredentialNotFound
         at 3s card 94 -> Denied card CredentialNotFound
         at 4s card 95 -> Denied card CredentialNotFound, AlarmRaised guessing
         # now each answer takes time: 2 s, and longer with each further guess
         at 5s card 96
         at 6s card 2
         # held before the reader again, it keeps its place
         at 6.5s card 2
         at 7s time -> Denied card CredentialNotFound
         at 11s time -> unlock, AccessGranted card
         at 12s opens -> lock, AccessTaken card
         at 13s closes
         # nobody waits now; the next one waits the whole time all the same
         at 13.5s card 1
         at 17.5s time -> unlock, AccessGranted card
         at 18s opens -> lock, AccessTaken card
         at 19s closes
         # a face is not slowed
         at 24s face 1 -> unlock, AccessGranted face
         at 25s opens -> lock, AccessTaken face
         at 26s closes
         # calm for a minute: quick again
         at 67s time -> AlarmCleared guessing
         at 68s card 2 -> unlock, AccessGranted card",
    );
}

#[test]
fn a_slowed_reader_stays_slow_over_a_restart_and_another_is_not_slow() {
    let mut options = usual();
    options.readers.push(options.readers[0].clone());
    play(
        options,
        "at 0s card 91 -> Denied card CredentialNotFound
         at 1s card 92 -> Denied card CredentialNotFound
         at 2s card 93 -> Denied card CredentialNotFound
         at 3s card 94 -> Denied card CredentialNotFound
         at 4s card 95 -> Denied card CredentialNotFound, AlarmRaised guessing
         at 5s restart -> lock, siren off
         at 6s card 2
         at 7s card 2 reader 1 -> unlock, AccessGranted card
         # the same person at the other reader: one grant
         at 8s time",
    );
}

#[test]
fn whoever_came_last_is_still_there() {
    play(
        usual(),
        "at 0s card 91 -> Denied card CredentialNotFound
         at 0s card 92 -> Denied card CredentialNotFound
         at 0s card 93 -> Denied card CredentialNotFound
         at 0s card 94 -> Denied card CredentialNotFound
         at 0s card 95 -> Denied card CredentialNotFound, AlarmRaised guessing
         at 1s card 96
         at 1s card 97
         at 1s card 98
         at 1s card 2
         # the one that has waited longest makes room
         at 1s card 99 -> Denied card Other
         at 3s time -> Denied card CredentialNotFound
         at 7s time -> Denied card CredentialNotFound
         at 13s time -> unlock, AccessGranted card
         at 18s time -> lock, AccessNotTaken card
         at 19s time -> Denied card CredentialNotFound",
    );
}

#[test]
fn where_the_site_says_so_no_reader_is_ever_slow() {
    let mut options = usual();
    options.lockout.after = 0;
    play(
        options,
        "at 0s card 91 -> Denied card CredentialNotFound
         at 1s card 92 -> Denied card CredentialNotFound
         at 2s card 93 -> Denied card CredentialNotFound
         at 3s card 94 -> Denied card CredentialNotFound
         at 4s card 95 -> Denied card CredentialNotFound
         at 5s card 96 -> Denied card CredentialNotFound
         at 6s card 1 -> unlock, AccessGranted card",
    );
}

#[test]
fn cards_that_waited_are_answered_in_their_order_also_once_it_is_calm() {
    let mut options = usual();
    (options.lockout.calm, options.lockout.delay) =
        (Duration::from_secs(5), Duration::from_secs(4));
    play(
        options,
        "person 7 has card
         at 0s card 91 -> Denied card CredentialNotFound
         at 0s card 92 -> Denied card CredentialNotFound
         at 0s card 93 -> Denied card CredentialNotFound
         at 0s card 94 -> Denied card CredentialNotFound
         at 0s card 95 -> Denied card CredentialNotFound, AlarmRaised guessing
         at 2s card 1
         at 3s card 2
         at 5s time -> AlarmCleared guessing
         at 5.5s card 7
         at 6s time -> unlock, AccessGranted card
         at 10s time -> AccessGranted card
         at 11s time -> AccessNotTaken card
         at 14s time -> AccessGranted card
         at 16s time -> AccessNotTaken card
         # nobody waits any more
         at 17s card 99 -> Denied card CredentialNotFound",
    );
}

fn with_pin(hours: Hours) -> Options {
    let mut options = usual();
    let (total, between_keys) = (Duration::from_secs(10), Duration::from_secs(5));
    options.readers[0].pin = Some(PinOptions { total, between_keys, hours });
    options
}

#[test]
fn a_card_waits_for_its_pin_and_is_decided_once() {
    play(
        with_pin(Hours::Always),
        "person 7 has card, pin 1407
         at 0s readers shown
         at 1s card 7 -> reader 0 shows EnterPin
         at 2s keys 1407# -> unlock, AccessGranted card, reader 0 shows Granted
         at 3s opens -> lock, AccessTaken card, person 7 passed
         at 4s closes
         # keys without a card open nothing: before a camera they claim to be somebody
         at 13s keys 1407# -> claim [1, 4, 0, 7]
         # cleared and typed anew; the same card again begins anew
         at 20s card 7 -> reader 0 shows EnterPin
         at 21s keys 99
         at 22s card 7 -> reader 0 shows EnterPin
         at 23s keys 88*1407# -> unlock, AccessGranted card, reader 0 shows Granted",
    );
}

#[test]
fn a_wrong_missing_or_late_pin_opens_nothing() {
    for keys in ["1408#", "#", "14070#", "140#", "1407140714071407#", "*#"] {
        play(
            with_pin(Hours::Always),
            &format!(
                "person 7 has card, pin 1407
                 at 0s card 7
                 at 1s keys {keys} -> Denied card InvalidPIN
                 at 30s nothing"
            ),
        );
    }
    play(
        with_pin(Hours::Always),
        "person 7 has card, pin 1407
         at 0s card 7
         # the first key has the whole time, the next ones five seconds each, all of them ten
         at 10s time -> Denied card InvalidPIN
         at 15s card 7
         at 16s keys 1
         at 21s time -> Denied card InvalidPIN
         at 22s keys 407#
         at 30s card 7
         at 34s keys 14
         at 38s keys 0
         at 40s time -> Denied card InvalidPIN
         # one who has no PIN; one who has no right is told that
         at 50s card 2
         at 51s keys 1407# -> Denied card InvalidPIN
         at 60s card 4
         at 61s keys 1# -> Denied card CredentialExpired
         # another card ends the first one's waiting
         at 70s card 7
         at 71s card 2 -> Denied card InvalidPIN, AlarmRaised guessing
         at 81s time -> Denied card InvalidPIN",
    );
}

#[test]
fn a_key_too_much_is_a_wrong_pin_also_after_the_longest() {
    play(
        with_pin(Hours::Always),
        "person 7 has card, pin 123456789012
         at 0s card 7
         at 1s keys 1234567890123# -> Denied card InvalidPIN
         at 10s card 7
         at 11s keys 1234567890123*123456789012# -> unlock, AccessGranted card",
    );
}

#[test]
fn two_factors_are_card_and_pin_or_card_and_face() {
    play(
        with_pin(Hours::Always),
        "person 7 has card, face, pin 1407
         # card, then face
         at 0s card 7
         at 1s face 7 -> unlock, AccessGranted card
         at 2s opens -> lock, AccessTaken card
         at 3s closes
         # face, then card
         at 20s face 7
         at 21s card 7 -> unlock, AccessGranted card
         at 22s opens -> lock, AccessTaken card
         at 23s closes
         # a face alone is not enough, nor is another one's
         at 40s face 7
         at 50s time -> Denied face Unauthorized
         at 60s face 7
         at 61s card 2
         at 62s face 1 -> Denied face Unauthorized
         at 71s time -> Denied card InvalidPIN
         at 72s time -> Denied face Unauthorized
         # whoever didn't choose a face is asked for none
         at 80s card 2
         at 81s face 2 -> Denied face CredentialNotEnabled
         at 90s time -> Denied card InvalidPIN",
    );
}

#[test]
fn two_factors_at_their_hours_only() {
    play(
        with_pin(Hours::Profile(1)),
        "person 7 has card, face, pin 1407
         at 0s card 7 -> unlock, AccessGranted card
         at 1s opens -> lock, AccessTaken card
         at 2s closes
         at 20s face 7 -> unlock, AccessGranted face
         at 21s opens -> lock, AccessTaken face
         at 22s closes
         # 22:00
         at 14h card 7
         at 50401s keys 1407# -> unlock, AccessGranted card
         at 50402s opens -> lock, AccessTaken card
         at 50403s closes
         at 50420s face 7
         at 50430s time -> Denied face Unauthorized
         # nobody is shut out because the time is unknown
         at 15h clock lost -> ClockTrusted false
         at 15.1h card 7 -> unlock, AccessGranted card",
    );
}

#[test]
fn under_threat_the_door_opens_as_always() {
    play(
        with_pin(Hours::Always),
        "person 7 has card, pin 1407, duress 1408
         at 0s readers shown
         at 1s card 7 -> reader 0 shows EnterPin
         at 2s keys 1408# -> unlock, AccessGranted card, Duress card, AlarmRaised duress, AlarmCleared duress, reader 0 shows Granted
         at 3s opens -> lock, AccessTaken card, person 7 passed
         at 4s closes
         at 302s time -> AlarmRepeated duress (cause gone)
         at 400s guard acknowledges -> AlarmAcknowledged duress
         at 1h nothing",
    );
    // Where no PIN is asked for, one typed after the card calls for help as well.
    play(
        with_pin(Hours::Profile(1)),
        "person 7 has card, pin 1407, duress 1408
         at 0s card 7 -> unlock, AccessGranted card
         at 2s keys 1407#
         at 10s card 7 -> unlock, AccessGranted card
         at 11s keys 1408# -> Duress card, AlarmRaised duress, AlarmCleared duress"
            .replace("at 10s", "at 5s time -> lock, AccessNotTaken card\nat 10s")
            .as_str(),
    );
}

#[test]
fn with_a_reader_that_asks_for_no_pin_beside_it_a_face_alone_opens() {
    let mut options = with_pin(Hours::Always);
    options.readers.push(ReaderOptions { door: DoorId(0), heading: Heading::In, pin: None });
    play(
        options,
        "at 0s face 1 -> unlock, AccessGranted face
         at 1s card 2 reader 1 -> AccessGranted card",
    );
}

#[test]
fn under_interlock_a_limited_use_is_not_spent() {
    let mut options = usual();
    options.doors.push(DoorOptions::usual(DoorKind::Strike));
    options.readers.push(ReaderOptions { door: DoorId(1), heading: Heading::In, pin: None });
    options.interlocks = vec![vec![DoorId(0), DoorId(1)]];
    play(
        options,
        "person 7 has card, uses 1
         at 0s card 1 -> unlock, AccessGranted card
         at 1s card 7 reader 1 -> Denied card Other door 1
         at 5s time -> lock, AccessNotTaken card
         at 6s card 7 reader 1 -> use 1 kept first, unlock door 1, AccessGranted card door 1",
    );
}
