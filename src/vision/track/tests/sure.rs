//! What stands between a match and an observation: a living face, a claim, a look-alike.

use super::*;
use crate::vision::certainty::Distances;
use crate::vision::liveness::{EYES, PATCH, PUPILS};
use crate::vision::manifest::Evidence;
use crate::vision::share::normal_below;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How deep a head with a nose is at a place, pupils at (-0.5, 0) and (0.5, 0), and how bright.
fn head(x: f32, y: f32) -> (f32, f32) {
    let nose = 0.3 * (-(x / 0.22).powi(2) - ((y - 0.5) / 0.4).powi(2)).exp();
    let bright = 130.0 + 40.0 * (7.0 * x + 2.0 * y).sin() + 40.0 * (6.0 * y - 3.0 * x).sin();
    (-(1.3 - 0.4 * x * x - 0.2 * y * y) - nose, bright)
}

/// A head, or flat a picture of one, turned by so many degrees; its pupils 40 pixels apart.
fn turned(degrees: f32, flat: bool, who: [f32; 3]) -> Seen {
    let (sin, cos) = degrees.to_radians().sin_cos();
    // What is seen moves with the depth there is; what the model guesses is a head either way.
    let place = |x: f32, y: f32| x * cos + if flat { 0.0 } else { head(x, y).0 * sin };
    let (mut points, mut depths) = (Vec::new(), Vec::new());
    for i in 0..22u8 {
        for j in 0..22u8 {
            let (x, y) = (-1.1 + 2.2 * f32::from(i) / 21.0, -0.9 + 2.4 * f32::from(j) / 21.0);
            points.push([240.0 + 40.0 * place(x, y), 130.0 + 40.0 * y]);
            depths.push(40.0 * head(x, y).0);
        }
    }
    let pixel = |i: usize| {
        let side = PATCH as f32;
        let (column, row) = ((i % PATCH) as f32 + 0.5, (i / PATCH) as f32 + 0.5);
        let (seen, y) = ((column / side - 0.5) / PUPILS, (row / side - EYES) / PUPILS);
        // Which place of the surface is seen there, step by step.
        let x = (0..20).fold(seen, |x, _| x + 0.8 * (seen - place(x, y)));
        head(x, y).1
    };
    let patch: Vec<f32> = (0..PATCH * PATCH).map(pixel).collect();
    let mut seen = at(200.0, who);
    let eyes = [[220.0, 130.0], [260.0, 130.0]];
    let (points, depths, patch) = (points.leak(), depths.leak(), patch.leak());
    seen.sighting = Sighting { eyes, points, depths, patch, ..seen.sighting };
    seen
}

fn motion() -> Gate {
    let mut gate = Gate::asking();
    gate.tracker.options.liveness = LivenessPolicy::Motion;
    gate
}

/// A slow machine: every frame shows her, and there are two a second.
#[test]
fn nobody_is_away_because_nobody_looked() {
    let mut gate = Gate::asking();
    for _ in 0..6 {
        gate.now += Duration::from_millis(400);
        gate.play(1, || vec![at(200.0, ANN)]);
    }
    assert_eq!(gate.seen, [(2_000, Some(1))]);
    // Two seconds are no interval between frames.
    let mut gate = Gate::asking();
    for _ in 0..9 {
        gate.now += Duration::from_millis(1_400);
        gate.play(1, || vec![at(200.0, ANN)]);
    }
    assert_eq!((gate.seen, gate.embedded), (vec![], vec![]));
}

#[test]
fn a_head_that_turns_is_alive() {
    let mut gate = motion();
    gate.play(10, || vec![turned(0.0, false, ANN)]);
    assert_eq!(gate.seen, []);
    assert_eq!(gate.hints, [(500, Hint::TurnHead)]);
    gate.play(10, || vec![turned(12.0, false, ANN)]);
    // Three frames' mean counts: two that are turned are enough.
    assert_eq!(
        (&gate.seen[..], &gate.liveness[..]),
        (&[(1_100, Some(1))][..], &[Liveness::Live][..])
    );
}

/// What whoever stands there is told, and what the gate is told of them, in tenths of a second.
fn timeline(gate: &Gate) -> String {
    let mut all: Vec<(u64, String)> = Vec::new();
    for (at, hint) in &gate.hints {
        let hint = match hint {
            Hint::TurnHead => "turn your head a little",
            Hint::UseCard => "use your card",
            Hint::HoldStill => "hold still",
            _ => "something else",
        };
        all.push((*at, hint.to_owned()));
    }
    for ((at, who), alive) in gate.seen.iter().zip(&gate.liveness) {
        let who = who.map_or("a stranger".to_owned(), |n| format!("resident {n}"));
        all.push((*at, format!("{who}, {alive:?}")));
    }
    all.sort();
    all.iter().map(|(at, what)| format!("{}.{} s {what}\n", at / 1000, at / 100 % 10)).collect()
}

/// Ann comes before the camera at 0.1 s, is known at 0.7 s, and stands perfectly still. She is told to turn as soon as she
/// has stayed, before it is even known who she is; a card is asked for within 1.5 s, as of everybody; and when she
/// turns later, she is let in all the same.
#[test]
fn who_stands_still_is_told_to_turn_at_once_and_let_in_whenever_they_do() {
    let mut gate = motion();
    gate.play(20, || vec![turned(0.0, false, ANN)]);
    gate.play(10, || vec![turned(8.0, false, ANN)]);
    let told = "0.5 s turn your head a little
                1.4 s use your card
                2.1 s resident 1, Live";
    assert_eq!(timeline(&gate).trim(), told.replace("                ", ""));

    // She turns when she is told to, and no card is spoken of.
    let mut gate = motion();
    gate.play(9, || vec![turned(0.0, false, ANN)]);
    gate.play(20, || vec![turned(8.0, false, ANN)]);
    let told = "0.5 s turn your head a little
                1.0 s resident 1, Live";
    assert_eq!(timeline(&gate).trim(), told.replace("                ", ""));

    // Blurred at first: what is wrong comes first, to turn with the first good frame.
    let mut gate = motion();
    gate.play(8, || vec![flawed(Hint::HoldStill, turned(0.0, false, ANN))]);
    gate.play(10, || vec![turned(0.0, false, ANN)]);
    gate.play(10, || vec![turned(8.0, false, ANN)]);
    let told = "0.5 s hold still
                0.9 s turn your head a little
                1.4 s use your card
                1.9 s resident 1, Live";
    assert_eq!(timeline(&gate).trim(), told.replace("                ", ""));

    // Never turned: refused after 4 s. A card was asked for long before, and opens as ever.
    let mut gate = motion();
    gate.play(50, || vec![turned(0.0, false, ANN)]);
    let told = "0.5 s turn your head a little
                1.4 s use your card
                4.1 s resident 1, NotShown";
    assert_eq!(timeline(&gate).trim(), told.replace("                ", ""));
}

#[test]
fn a_picture_however_it_is_turned_is_asked_for_a_card_and_then_refused() {
    let mut gate = motion();
    for degrees in (0..50u8).map(|i| 25.0 * (f32::from(i) / 3.0).sin()) {
        gate.play(1, || vec![turned(degrees, true, ANN)]);
    }
    assert_eq!(gate.hints, [(500, Hint::TurnHead), (1_400, Hint::UseCard)]);
    let refused = (4_100, Some(1));
    assert_eq!((&gate.seen[..], &gate.liveness[..]), (&[refused][..], &[Liveness::NotShown][..]));
}

#[test]
fn it_is_not_too_late_after_the_card_was_asked_for() {
    let mut gate = motion();
    gate.play(25, || vec![turned(0.0, false, ANN)]);
    assert!(gate.hints.contains(&(1_400, Hint::UseCard)));
    gate.play(5, || vec![turned(12.0, false, ANN)]);
    assert_eq!(gate.liveness, [Liveness::Live]);
}

/// Ann's picture is known; then Eve's own living head is held in its place. Her life is not Ann's.
#[test]
fn another_persons_life_does_not_help_a_picture() {
    let mut gate = motion();
    gate.play(12, || vec![turned(0.0, true, ANN)]);
    gate.play(20, || vec![turned(12.0, false, EVE)]);
    assert_eq!(gate.seen, [(2_200, None)]);
    // Nor does a face that is somewhat like hers: its frames don't count.
    let like_ann = [0.6, 0.5, 0.2];
    let mut gate = motion();
    gate.play(12, || vec![turned(0.0, true, ANN)]);
    gate.play(20, || vec![turned(12.0, false, like_ann)]);
    assert_eq!(gate.liveness, []);
}

/// Ann is known and only has to turn her head when she is deleted.
#[test]
fn who_is_forgotten_meanwhile_is_not_observed() {
    let mut gate = motion();
    gate.play(12, || vec![turned(0.0, false, ANN)]);
    gate.roster.remove(&id(1));
    gate.roster.settle();
    gate.tracker.forget(&id(1));
    gate.play(20, || vec![turned(12.0, false, ANN)]);
    assert_eq!(gate.seen.iter().map(|(_, who)| *who).collect::<Vec<_>>(), [None]);
}

#[test]
fn a_stranger_need_not_turn_to_be_refused() {
    let mut gate = motion();
    gate.play(20, || vec![turned(0.0, false, EVE)]);
    assert_eq!(
        (&gate.seen[..], &gate.liveness[..]),
        (&[(900, None)][..], &[Liveness::NotChecked][..])
    );
}

/// A roster that supports nobody without a claim.
fn too_many() -> Result<Roster, Box<dyn std::error::Error>> {
    let curve = |mean: f64| {
        let at = |z: f64| (normal_below(z), mean + z * 0.05);
        Distances::new(100, 100_000, (-8..=8).map(|i| at(f64::from(i) / 2.0)).collect())
    };
    let (strangers, residents) = (curve(0.8)?, curve(0.6)?);
    let (frames, templates, centred) = (3, 1, false);
    let rests_on = "made up".to_owned();
    let evidence = Evidence { frames, templates, centred, rests_on, strangers, residents };
    let targets = Targets { strangers_accepted: 1e-4, ..Targets::default() };
    let mut roster = Roster::new(SPACE, Some(evidence), None, targets);
    for (n, who) in [(1, ANN), (2, BOB)] {
        roster.add(id(n), &template(who))?;
    }
    roster.settle();
    assert!(roster.wants_claim());
    Ok(roster)
}

#[test]
fn beyond_the_supported_size_a_number_is_asked_for_and_nobody_embedded() -> Outcome {
    let mut gate = Gate::asking();
    gate.roster = too_many()?;
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!((&gate.seen, &gate.embedded), (&vec![], &vec![]));
    assert_eq!(gate.hints, [(500, Hint::TypePin), (1_400, Hint::UseCard)]);
    gate.tracker.claim(gate.now, vec![id(2), id(1)]);
    gate.play(3, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(2_300, Some(1))]);
    // One claim, one presentation.
    gate.play(16, Vec::new);
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen.len(), 1);
    Ok(())
}

#[test]
fn a_claim_compares_with_its_candidates_alone_and_does_not_wait_for_ever() -> Outcome {
    let mut gate = Gate::asking();
    gate.roster = too_many()?;
    gate.tracker.claim(gate.now, vec![id(2)]);
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen.iter().map(|(_, who)| *who).collect::<Vec<_>>(), [None]);
    let mut gate = Gate::asking();
    gate.roster = too_many()?;
    gate.tracker.claim(gate.now, vec![id(1)]);
    gate.play(100, Vec::new);
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!((gate.seen, gate.embedded), (vec![], vec![]));
    Ok(())
}

/// Two who look alike: whose right it is, is not for the camera to say.
#[test]
fn look_alikes_are_both_named_to_the_gate_and_not_me_to_nobody() -> Outcome {
    let twins = |apart: bool| {
        let mut gate = Gate::asking();
        gate.roster.add(id(3), &template([0.95, 0.05, 0.0]))?;
        if apart {
            gate.roster.separate(id(1), id(3));
        }
        gate.roster.settle();
        gate.play(20, || vec![at(200.0, [0.98, 0.02, 0.0])]);
        Ok::<_, Box<dyn std::error::Error>>(gate)
    };
    let gate = twins(false)?;
    assert_eq!(gate.seen.len(), 1);
    let both = (gate.seen[0].1, gate.look_alikes[0]);
    assert!(matches!(both, (Some(1), Some(3)) | (Some(3), Some(1))), "{both:?}");
    let gate = twins(true)?;
    assert_eq!((gate.seen[0].1, gate.look_alikes[0]), (None, None));
    Ok(())
}
