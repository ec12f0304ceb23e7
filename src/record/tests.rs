use super::*;
use crate::access::{
    DoorKind, DoorOptions, FaceOptions, Gate, Hours, Input, PinOptions, ReaderOptions,
};
use crate::domain::{
    CardNumber, Directory, Duration, Entitlement, Heading, Key, Observation, Pin, SubjectId, Ways,
};
use proptest::prelude::*;

const NUMBER: u128 = 8_072_151;
const WHO: SubjectId = SubjectId([0xa7; 16]);

/// One resident with one card and one PIN.
struct One;

impl Directory for One {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        (card.number() == NUMBER).then(|| self.subject(&WHO)).flatten()
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        let right = Entitlement::unlimited(WHO, Ways { card: true, face: true });
        (*subject == WHO).then_some(Entitlement { uses: Some(9), ..right })
    }

    fn pin_fits(&self, _: &SubjectId, pin: &Pin) -> bool {
        pin.digits() == [7, 3, 9, 1]
    }
}

fn options() -> Options {
    let pin = PinOptions {
        total: Duration::from_secs(10),
        between_keys: Duration::from_secs(5),
        hours: Hours::Always,
    };
    let door = DoorId(0);
    let outside = ReaderOptions { door, heading: Heading::In, pin: Some(pin) };
    let face = Some(FaceOptions { door, max_age: Duration::from_secs(1) });
    Options { face, ..Options::usual(vec![DoorOptions::usual(DoorKind::Strike)], vec![outside]) }
}

fn inputs() -> Vec<Input> {
    let reader = ReaderId(0);
    let card = |number| -> Input {
        let format = "h10301".parse().expect("a format");
        Input::Card { reader, card: CardNumber::new(format, number) }
    };
    let keys = |digits: [u8; 4]| {
        let keys = digits.into_iter().map(Key::Digit).chain([Key::Enter]);
        keys.map(move |key| Input::Key { reader, key })
    };
    let line = |line, state| Input::Line { door: Some(DoorId(0)), line, state };
    let seen = Observation {
        captured_at: Instant(17_900_000),
        subject: Some(WHO),
        look_alike: None,
        distance: 0.25,
        quality: 0.5,
        liveness: Liveness::Live,
    };
    let kept = |ticket| Input::Kept { ticket: Ticket(ticket), durable: true };
    let mut inputs = vec![Input::Tick, line(Wire::Contact, LineState::Normal), card(NUMBER)];
    inputs.extend(keys([7, 3, 9, 1]));
    inputs.extend([kept(1), line(Wire::Contact, LineState::Active), card(NUMBER)]);
    inputs.extend(keys([1, 1, 1, 1]));
    inputs.extend([Input::Face(seen), card(NUMBER), kept(2), card(4_242), Input::Tick]);
    inputs
}

/// A gate's log, in one file or two.
fn log(split: Option<usize>) -> (String, Vec<crate::access::Command>) {
    let mut gate = Gate::new(options()).expect("a gate");
    let mut recorder = Recorder::new(vec!["main".into()], vec!["entrance".into()], options());
    let mut text = recorder.start(&[], Instant(1_000_000), None);
    let mut all = Vec::new();
    let last = inputs().len() - 1;
    for (i, input) in inputs().into_iter().enumerate() {
        // At the end the unknown card has waited long enough for its PIN.
        let later = if i == last { 20 } else { 0 };
        let (now, wall) = (Instant((2 + i as u64 + later) * 1_000_000), None);
        if split == Some(i) {
            text = recorder.go_on(now, wall);
        }
        let (witness, mut out) = (Witness::new(&One), Vec::new());
        gate.handle(now, wall, input.clone(), &witness, &mut out);
        text += &recorder.step(now, wall, &input, witness, &out);
        all.extend(out);
    }
    (text, all)
}

fn play(text: &str) -> (Player, Vec<crate::access::Command>) {
    let (mut player, mut out) = (Player::default(), Vec::new());
    for line in text.lines() {
        let played = player.line(line.as_bytes(), &mut |shown| {
            if let Shown::Command { command, .. } = shown {
                out.push(command);
            }
        });
        assert!(played.is_ok(), "{played:?}: {line}");
    }
    (player, out)
}

#[test]
fn what_is_played_is_what_was_done() {
    let (text, done) = log(None);
    let (player, out) = play(&text);
    assert_eq!((player.tally(), player.missing()), ((inputs().len() as u64, 0, 0), 0));
    assert_eq!(out.len(), done.len());
    let granted =
        |all: &[crate::access::Command]| format!("{all:?}").matches("AccessGranted").count();
    assert_eq!((granted(&done), granted(&out)), (2, 2));
    assert!(format!("{done:?}").contains("InvalidPin"));
}

#[test]
fn a_log_says_nothing_about_who() {
    let (text, _) = log(None);
    let secrets = [NUMBER.to_string(), format!("{NUMBER:x}"), WHO.to_hex(), "h10301".into()];
    for secret in secrets.iter().map(String::as_str).chain(["4242", "7391", "0.25"]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(!text.contains("[7,3,9,1]") && text.contains("\"digit\""));
}

#[test]
fn a_log_that_begins_in_the_middle_is_exact_once_all_under_way_has_ended() {
    let before = inputs().len() - 3;
    let (text, _) = log(Some(before));
    let (player, out) = play(&text);
    let (steps, differing, _) = player.tally();
    assert_eq!(steps, 3);
    assert!(differing < 3, "the unknown card at the end is decided as it was");
    assert!(format!("{out:?}").contains("CredentialNotFound"));
    // And a log whose decisions are not this program's is found out.
    let (text, _) = log(None);
    let other = text.replace("\"fits\":true", "\"fits\":false");
    assert_ne!(text, other);
    assert!(play(&other).0.tally().1 > 0);
}

#[test]
fn what_is_wrong_with_a_log_is_said() {
    let (text, _) = log(None);
    let lines: Vec<&str> = text.lines().collect();
    let mut none = |_: Shown<'_>| {};
    let mut first = |line: &str| Player::default().line(line.as_bytes(), &mut none);
    assert!(matches!(first(lines[1]), Err(BadLog::NoBeginning)));
    assert!(matches!(first("{}"), Err(BadLog::Form(_))));
    assert!(matches!(first(&lines[0].replace("\"v\":1", "\"v\":2")), Err(BadLog::Version(2))));
    let often = lines[0].replace("\"repeat\":300000000", "\"repeat\":1");
    assert!(matches!(first(&often), Err(BadLog::NoGate(_))));
    let no_names = lines[0].replace("[\"main\"]", "[]");
    assert!(matches!(first(&no_names), Err(BadLog::NoGate(_))));
    let unsound = lines[0].replace("\"open\":5000000", "\"open\":0");
    assert!(matches!(first(&unsound), Err(BadLog::Unsound(_))));
    let mut player = Player::default();
    let mut then = |line: &str| player.line(line.as_bytes(), &mut |_| {});
    assert!(then(lines[0]).is_ok());
    let late = lines[1].replace("\"now\":2000000", "\"now\":1");
    assert!(matches!(then(&late), Err(BadLog::Time(_))), "{late}");
}

/// Bytes exchanged, lines cut and numbers blown up, anywhere in a log.
fn spoilt() -> impl Strategy<Value = Vec<String>> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5u8, any::<u64>());
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut lines: Vec<String> = log(None).0.lines().map(String::from).collect();
        for (which, place, how, number) in changes {
            let i = which.index(lines.len());
            let at = place.index(lines[i].len().max(1)).min(lines[i].len());
            let digits = lines[i]
                .get(at..)
                .map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
            match how {
                0 => lines[i].truncate(at),
                1 | 2 => lines[i].replace_range(at..at + digits, &number.to_string()),
                3 => lines.swap(i, at % inputs().len()),
                _ => {
                    let again = lines[i].clone();
                    lines.push(again);
                }
            }
        }
        lines
    })
}

proptest! {
    #[test]
    fn a_spoilt_log_is_played_or_refused_and_never_worse(lines in spoilt()) {
        let mut player = Player::default();
        for line in lines {
            if player.line(line.as_bytes(), &mut |_| {}).is_err() {
                break;
            }
        }
    }
}
