//! A gate that changes its embedding model: who is asking is seen by both.

use super::*;

const FORMER: Space = Space { model: [4; 32], ..SPACE };

/// Ann and Bob are known by the former model.
fn changing() -> Gate {
    let both = nobody().after(Roster::new(FORMER, None, None, Targets::default()));
    let roster = ann_and_bob(both, FORMER.model);
    Gate { roster, former: Some(FORMER.model), ..Gate::new() }
}

#[test]
fn somebody_known_by_the_former_model_is_named_and_may_move_across() {
    let mut gate = changing();
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(300, Some(1))]);
    // By the current model, once.
    assert_eq!(gate.crossing, [(300, 1, template(ANN))]);
    gate.play(20, Vec::new);
    gate.play(20, || vec![at(200.0, EVE)]);
    assert_eq!((gate.seen.len(), gate.crossing.len()), (2, 1), "nobody is a stranger");
}

#[test]
fn what_one_model_saw_of_somebody_is_not_the_others_to_tell() {
    // The former model's templates by the current one, were they taken for each other, would be Ann.
    let mut gate = changing();
    gate.former = None;
    gate.play(20, || vec![at(200.0, ANN)]);
    assert_eq!((gate.seen, gate.crossing), (vec![(500, None)], vec![]));
}

#[test]
fn evidence_of_the_former_model_never_crosses_to_another_face() {
    let mut gate = changing();
    gate.play(2, || vec![at(200.0, ANN)]);
    gate.play(20, || vec![at(200.0, BOB)]);
    assert_eq!(gate.seen, [(600, Some(2))]);
    assert_eq!(gate.crossing, [(600, 2, template(BOB))]);
}

#[test]
fn a_picture_of_somebody_moves_nobody() {
    let mut gate = changing();
    gate.tracker.options.liveness = LivenessPolicy::Motion;
    gate.play(80, || vec![at(200.0, ANN)]);
    assert_eq!(gate.liveness, [Liveness::NotShown]);
    assert_eq!(gate.crossing, []);
}
