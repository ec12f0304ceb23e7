use super::*;
use crate::vision::certainty::Distances;
use crate::vision::manifest::{Evidence, Metric, MetricKind};
use crate::vision::share::normal_below;
use crate::vision::template::Space;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const METRIC: Metric = Metric { kind: MetricKind::Euclidean, threshold: 0.5 };
const NOW: Space = Space { model: [9; 32], dimension: 2, metric: METRIC };
const BEFORE: Space = Space { model: [8; 32], dimension: 3, metric: METRIC };

fn id(n: u8) -> SubjectId {
    SubjectId([n; 16])
}

fn now(x: f32) -> Template {
    Template::new(NOW.model, vec![x, 0.0]).unwrap_or_else(|e| panic!("{e}"))
}

fn before(x: f32) -> Template {
    Template::new(BEFORE.model, vec![0.0, 0.0, x]).unwrap_or_else(|e| panic!("{e}"))
}

/// Subjects 1, 2 and 3 are known by the former model, at 3, 6 and 9.
fn roster() -> Result<Roster, Box<dyn std::error::Error>> {
    let plain = |space| Roster::new(space, None, None, Targets::default());
    let mut roster = plain(NOW).after(plain(BEFORE));
    for n in 1..=3 {
        roster.add(id(n), &before(3.0 * f32::from(n)))?;
    }
    roster.settle();
    Ok(roster)
}

fn found(roster: &Roster, x: f32, formerly: f32) -> Result<Found, &'static str> {
    roster.find(&now(x), Some(&before(formerly)), None).ok_or("nothing was looked for")
}

#[test]
fn whom_the_former_model_knows_is_found_and_moves_across() -> Outcome {
    let mut roster = roster()?;
    assert_eq!((roster.subjects(), roster.to_move(), roster.held()), (3, Some(3), 3));
    for passage in 1..=TEMPLATES {
        let seen = found(&roster, 5.0, 3.1)?;
        assert_eq!(seen.verdict, Verdict::One(id(1)), "{passage}");
        let last = passage == TEMPLATES;
        assert_eq!(seen.crossing, Some(Crossing { subject: id(1), last }), "{passage}");
        roster.add(id(1), &now(5.0))?;
        roster.settle();
    }
    // By the current model alone: what the former one knew is gone.
    assert_eq!((roster.subjects(), roster.to_move(), roster.held()), (3, Some(2), 5));
    let seen = found(&roster, 5.0, 3.1)?;
    assert_eq!((seen.verdict, seen.crossing), (Verdict::One(id(1)), None));
    assert_eq!(found(&roster, 8.0, 3.1)?.verdict, Verdict::Nobody);
    assert_eq!(roster.former(), Some(&BEFORE));
    assert_eq!((roster.remove(&id(2)), roster.remove(&id(3))), (1, 1));
    assert_eq!((roster.subjects(), roster.former()), (1, None), "nobody needs it any more");
    Ok(())
}

#[test]
fn who_is_not_beyond_doubt_is_let_in_and_stays_where_they_are() -> Outcome {
    let roster = roster()?;
    let near = found(&roster, 0.0, 3.0 + 0.39)?;
    assert_eq!((near.verdict, near.crossing.is_some()), (Verdict::One(id(1)), true));
    let doubtful = found(&roster, 0.0, 3.0 + 0.41)?;
    assert_eq!((doubtful.verdict, doubtful.crossing), (Verdict::One(id(1)), None));
    let stranger = found(&roster, 0.0, 4.5)?;
    assert_eq!((stranger.verdict, stranger.crossing), (Verdict::Nobody, None));
    Ok(())
}

#[test]
fn two_models_that_do_not_agree_know_nobody() -> Outcome {
    let mut roster = roster()?;
    roster.add(id(2), &now(5.0))?;
    roster.settle();
    let seen = found(&roster, 5.0, 3.0)?;
    assert_eq!((seen.verdict, seen.crossing), (Verdict::Nobody, None));
    // Each alone is believed.
    assert_eq!(found(&roster, 5.0, 4.5)?.verdict, Verdict::One(id(2)));
    assert_eq!(found(&roster, 0.0, 3.0)?.verdict, Verdict::One(id(1)));
    // Someone who looks otherwise than the current model has seen them once gets in, and isn't taken over.
    let other = found(&roster, 0.0, 6.0)?;
    assert_eq!((other.verdict, other.crossing), (Verdict::One(id(2)), None));
    Ok(())
}

#[test]
fn look_alikes_of_either_model_stay_look_alikes() -> Outcome {
    let mut roster = roster()?;
    roster.add(id(4), &before(3.1))?;
    roster.add(id(5), &now(5.0))?;
    roster.add(id(1), &now(5.1))?;
    roster.settle();
    assert_eq!(roster.look_alikes(&id(1)), [id(5), id(4)]);
    let seen = found(&roster, 0.0, 3.05)?;
    assert_eq!((seen.verdict, seen.crossing), (Verdict::Either(id(1), id(4)), None));
    // Where one model says which of them it is, that holds; they have one in common.
    assert_eq!(found(&roster, 5.07, 3.05)?.verdict, Verdict::Either(id(1), id(5)));
    roster.separate(id(4), id(1));
    assert_eq!(found(&roster, 0.0, 3.05)?.verdict, Verdict::Nobody);
    Ok(())
}

#[test]
fn templates_of_a_third_model_are_refused() -> Outcome {
    let mut roster = roster()?;
    let third = Template::new([7; 32], vec![0.0, 0.0])?;
    assert!(roster.add(id(1), &third).is_err());
    assert_eq!((roster.held(), roster.remove(&id(1)), roster.held()), (3, 1, 2));
    // Without what the former model made of it, only the current one is asked.
    roster.settle();
    assert_eq!(roster.find(&now(0.0), None, None).map(|f| f.verdict), Some(Verdict::Nobody));
    Ok(())
}

/// A normal curve of strangers around 1 and of residents around 0.3.
fn evidence(templates: u32) -> Result<Evidence, Box<dyn std::error::Error>> {
    let curve = |mean: f64, deviation: f64| {
        let at = |z: f64| (normal_below(z), mean + z * deviation);
        Distances::new(100, 100_000, (-8..=8).map(|i| at(f64::from(i) / 2.0)).collect())
    };
    let (strangers, residents) = (curve(1.0, 0.1)?, curve(0.3, 0.05)?);
    let rests_on = "made up".to_owned();
    Ok(Evidence { frames: 5, templates, centred: false, rests_on, strangers, residents })
}

#[test]
fn both_together_keep_what_one_alone_promises() -> Outcome {
    let wide = |space: Space| Space { metric: Metric { threshold: 0.9, ..METRIC }, ..space };
    let one = |space, templates| -> Result<Roster, Box<dyn std::error::Error>> {
        Ok(Roster::new(wide(space), Some(evidence(templates)?), None, Targets::default()))
    };
    let (mut alone, mut both) = (one(NOW, 2)?, one(NOW, 2)?.after(one(BEFORE, 2)?));
    for n in 0..200 {
        let x = 3.0 * f32::from(n);
        alone.add(id(n), &now(x))?;
        both.add(id(n), &before(x))?;
    }
    let single = alone.settle().flatten().ok_or("no terms")?;
    let terms = both.settle().flatten().ok_or("no terms")?;
    let most = single.strangers_accepted.at_most;
    assert!(most <= 0.010_001 && terms.strangers_accepted.at_most <= 0.010_001, "{terms:?}");
    assert!(terms.supported < single.supported && !terms.claim_needed);
    // Half of them have moved.
    for n in 0..100 {
        both.add(id(n), &now(3.0 * f32::from(n)))?;
        both.add(id(n), &now(3.0 * f32::from(n)))?;
    }
    let terms = both.settle().flatten().ok_or("no terms")?;
    assert_eq!((both.subjects(), both.to_move()), (200, Some(100)));
    assert!(terms.strangers_accepted.at_most <= 0.010_001, "{terms:?}");
    assert_eq!(both.settle(), None, "nothing new");
    // As many frames and templates as were measured with; beyond doubt is nearer than a match.
    assert_eq!(both.frames(), Some(5));
    let former = both.former.as_ref().and_then(|f| f.settled.as_ref()).ok_or("not settled")?;
    assert!(former.sure > 0.3 && former.sure < former.margins.threshold);
    let seen = found(&both, 1.5, 450.0 + former.sure - 0.01)?;
    assert_eq!(seen.crossing, Some(Crossing { subject: id(150), last: false }));
    let seen = found(&both, 1.5, 450.0 + former.sure + 0.01)?;
    assert_eq!((seen.verdict, seen.crossing), (Verdict::One(id(150)), None));
    Ok(())
}
