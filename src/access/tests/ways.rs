//! Both ways in: a face never alone, a card never worse for it.

use super::stage_tests::{of, play, usual, with_exit_reader};
use crate::access::*;
use crate::domain::*;

#[test]
fn a_face_opens_only_where_it_was_chosen_beside_a_card() {
    play(
        usual(),
        "at 0s face 1 -> unlock, AccessGranted face
         at 1s opens -> lock, AccessTaken face
         at 2s closes
         at 10s face 2 -> Denied face CredentialNotEnabled
         at 11s face 6 -> Denied face CredentialNotEnabled
         at 12s face 77 -> Denied face CredentialNotFound
         at 13s stranger -> Denied face CredentialNotFound
         at 14s face 4 -> Denied face CredentialExpired
         at 15s face 5 -> Denied face CredentialNotActive",
    );
}

#[test]
fn a_stale_face_one_from_the_future_and_one_that_may_not_live_open_nothing() {
    play(
        usual(),
        "at 2s face 1 seen 1001ms ago -> Denied face Other
         at 3s face 1 seen in future -> Denied face Other
         at 4s face 1 not alive -> Denied face Unauthorized
         at 5s face 1 seen 1s ago -> unlock, AccessGranted face",
    );
}

/// It opens nothing by itself, and a card's PIN is no claim.
#[test]
fn a_pin_without_a_card_beside_the_camera_is_a_claim() {
    let text = "at 0s readers shown
         at 0s keys 12 ->
         at 1s keys 34# -> claim [1, 2, 3, 4]
         at 2s keys # ->
         at 3s keys 99*56# -> claim [5, 6]
         at 4s keys 1 ->
         at 9001ms keys 2# -> claim [2]
         at 9.2s keys 3 ->
         at 14.2s keys 4# -> claim [3, 4]
         at 15s keys 1234567890123# ->
         at 16s keys 7# -> claim [7]";
    play(usual(), text);
    play(
        with_exit_reader(usual()),
        "at 0s readers shown
         at 0s keys 1234# reader 1 ->",
    );
    play(
        Options { face: None, ..usual() },
        "at 0s readers shown
         at 0s keys 1234# ->",
    );
}

/// Too near to each other to say which: either is a grant where both may pass now, else it is no match.
#[test]
fn look_alikes_pass_together_or_not_at_all() {
    let two = "person 7 has card, face
         person 8 has card, face
         person 9 has card
         person 10 has card, face, until 1h
         person 11 has card, face, uses 3
        ";
    play(
        usual(),
        &format!(
            "{two}at 0s face 7 or 8 -> unlock, AccessGranted face
         at 1s opens -> lock, AccessTaken face
         at 2s closes
         at 20s face 9 or 7 -> Denied face CredentialNotFound
         at 30s face 7 or 9 -> Denied face CredentialNotFound
         at 40s face 7 or 99 -> Denied face CredentialNotFound
         at 50s face 7 or 11 -> Denied face CredentialNotFound
         at 60s face 10 or 7 -> unlock, AccessGranted face
         at 61s opens -> lock, AccessTaken face
         at 62s closes
         at 3601s face 10 or 7 -> Denied face CredentialNotFound
         at 3602s face 7 or 10 -> Denied face CredentialNotFound
         at 3603s face 7 -> unlock, AccessGranted face"
        ),
    );
    // What is wrong with the picture is said; who needs longer isn't known, unless both do.
    play(
        usual(),
        "person 7 has card, face, longer
         person 8 has card, face
         person 9 has card, face, longer
         at 0s face 7 or 8 not alive -> Denied face Unauthorized
         at 1s face 7 or 8 -> unlock, AccessGranted face
         at 6s time -> lock, AccessNotTaken face
         at 10s face 8 or 7 -> unlock, AccessGranted face
         at 15s time -> lock, AccessNotTaken face
         at 30s face 7 or 9 -> unlock, AccessGranted face
         at 45s time -> lock, AccessNotTaken face",
    );
    let rule = PassbackRule::Soft;
    let named = Options { passback: Passback { rule, timeout: None }, ..with_exit_reader(usual()) };
    play(named, &format!("{two}at 0s face 7 or 8 -> Denied face CredentialNotFound"));
}

#[test]
fn faces_that_were_refused_change_no_card_decision() {
    play(
        usual(),
        "at 0s stranger -> Denied face CredentialNotFound
         at 0s stranger -> Denied face CredentialNotFound
         at 0s stranger -> Denied face CredentialNotFound
         at 0s stranger -> Denied face CredentialNotFound
         at 0s stranger -> Denied face CredentialNotFound
         at 0s stranger -> Denied face CredentialNotFound
         at 0s face 2 -> Denied face CredentialNotEnabled
         at 0s card 2 -> unlock, AccessGranted card",
    );
}

#[test]
fn readers_show_what_was_decided() {
    play(
        usual(),
        "at 0s readers shown
         at 1s card 1 -> unlock, AccessGranted card, reader 0 shows Granted
         at 2s stranger -> Denied face CredentialNotFound, reader 0 shows UseYourCard
         at 3s card 99 -> Denied card CredentialNotFound, reader 0 shows Denied
         at 6s time -> lock, AccessNotTaken card
         at 10s face 1 -> unlock, AccessGranted face, reader 0 shows Granted
         # seen in passing
         at 11s face 1
         at 12s card 1 -> reader 0 shows Granted",
    );
}

#[test]
fn the_last_reader_dies_and_faces_go_on_with_a_critical_alarm() {
    let mut options = usual();
    options.readers.push(options.readers[0].clone());
    play(
        options,
        "at 0s reader dead reader 0
         at 1s status -> Locked, cards up, faces up
         at 2s reader dead reader 1 -> AlarmRaised card-path-down
         at 3s status -> Locked, cards down, faces up
         at 4s face 1 -> unlock, AccessGranted face
         at 5s opens -> lock, AccessTaken face
         at 6s closes
         at 7s camera dead
         at 8s status -> Locked, cards down, faces down
         at 302s time -> AlarmRepeated card-path-down
         at 400s reader well reader 0 -> AlarmCleared card-path-down
         at 401s status -> Locked, cards up, faces down",
    );
}

#[test]
fn a_reader_inside_or_at_another_door_is_no_way_in() {
    let mut options = with_exit_reader(usual());
    options.doors.push(DoorOptions::usual(DoorKind::Strike));
    options.readers.push(ReaderOptions { door: DoorId(1), heading: Heading::In, pin: None });
    play(
        options,
        "at 0s readers shown
         at 1s status -> Locked, cards up, faces up
         at 2s status door 1 -> Locked, cards up, faces none
         at 3s reader dead reader 0 -> AlarmRaised card-path-down
         at 4s status -> Locked, cards down, faces up
         at 5s status door 1 -> Locked, cards up, faces none
         at 6s reader well reader 0 -> AlarmCleared card-path-down
         at 7s reader dead reader 1
         at 8s reader dead reader 2 -> AlarmRaised card-path-down door 1
         at 9s status -> Locked, cards up, faces up
         # told at the readers outside the camera's door alone
         at 10s face 2 -> Denied face CredentialNotEnabled, reader 0 shows UseYourCard",
    );
}

#[test]
fn a_gate_whose_only_way_in_would_be_a_face_is_refused() {
    let mut options = usual();
    options.readers.clear();
    assert_eq!(Gate::new(options).err(), Some(Unsound::FaceAlone));
    let mut options = usual();
    options.readers[0].heading = Heading::Out;
    assert_eq!(Gate::new(options).err(), Some(Unsound::FaceAlone));
    let mut options = of(DoorKind::Strike);
    options.doors.push(options.doors[0].clone());
    options.readers[0].door = DoorId(1);
    assert_eq!(Gate::new(options).err(), Some(Unsound::FaceAlone));
}

#[test]
fn by_schedule_a_face_is_no_more_than_a_card() {
    play(
        usual(),
        "person 7 has card, face, profile 0
         person 8 has card, face, uses 1
         at 0s face 7 -> Denied face NotPermittedAtThisTime
         at 1h face 7 -> unlock, AccessGranted face
         at 3601s opens -> lock, AccessTaken face
         at 3602s closes
         at 3610s face 8 -> use 1 kept first, unlock, AccessGranted face
         at 3611s opens -> lock, AccessTaken face
         at 3612s closes
         at 3620s face 8 -> Denied face CredentialExpired",
    );
}

#[test]
fn by_mode_a_face_is_no_more_than_a_card() {
    play(
        usual(),
        "at 0s guard sets Blocked -> DoorModeChanged Blocked by guard
         at 1s face 1 -> Denied face NotPermittedAtThisTime
         at 2s card 1 -> Denied card NotPermittedAtThisTime
         at 3s status -> Blocked, cards up, faces up",
    );
}
