use super::*;
use crate::vision::manifest::{Metric, MetricKind};

const SPACE: Space = Space {
    model: [3; 32],
    dimension: 1,
    metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
};

/// A face of so many pixels at x, its eyes four tenths of that apart.
fn face(x: f32, side: f32, flaw: Option<Hint>) -> Sighting<'static> {
    let bounds = Bounds { x, y: 0.0, width: side, height: side };
    let eyes = [[x + 0.3 * side, 40.0], [x + 0.7 * side, 40.0]];
    Sighting { bounds, eyes, quality: 0.9, flaw, points: &[], depths: &[], patch: &[] }
}

/// A sitting of three templates within 20 s, in the picture's left 300 pixels, a frame every 100 ms.
struct Room {
    sitting: Sitting,
    now: Instant,
    /// What was said, with the tenth of a second.
    said: Vec<(u64, String)>,
    embedded: u32,
}

impl Room {
    fn new() -> Self {
        let region = Some(Bounds { x: 0.0, y: 0.0, width: 300.0, height: 300.0 });
        let presence = Presence { region, ..Presence::default() };
        let sitting = Sitting::new(SPACE, presence, 3, Instant(20_000_000));
        Self { sitting, now: Instant(0), said: Vec::new(), embedded: 0 }
    }

    /// So many frames of these faces; the one who sits looks like this.
    fn frames(&mut self, count: u64, faces: &[Sighting<'_>], like: f32) {
        for _ in 0..count {
            self.now += Duration::from_millis(100);
            let embedded = &mut self.embedded;
            let said = self.sitting.handle(self.now, faces, |_| {
                *embedded += 1;
                Template::new(SPACE.model, vec![like]).map(Some)
            });
            for said in said.unwrap_or_else(|e| panic!("{e}")) {
                let words = match said {
                    Sat::Advice(advice) => format!("{advice:?}"),
                    Sat::Kept { more, .. } => format!("{more} more"),
                    Sat::Ended(end) => format!("{end:?}"),
                };
                self.said.push((self.now.0 / 100_000, words));
            }
        }
    }

    fn said(&self) -> String {
        let lines: Vec<_> = self.said.iter().map(|(at, what)| format!("{at} {what}")).collect();
        lines.join(", ")
    }
}

#[test]
fn three_varied_frames_of_somebody_who_stays_are_kept() {
    let mut room = Room::new();
    room.frames(3, &[], 0.0);
    room.frames(10, &[face(50.0, 100.0, None)], 0.0);
    room.frames(10, &[face(50.0, 100.0, None)], 0.1);
    room.frames(10, &[face(50.0, 100.0, None)], 0.2);
    let expected =
        "1 Nobody, 8 2 more, 13 Hint(TurnHead), 14 1 more, 19 Hint(TurnHead), 24 0 more, 24 Done";
    assert!(room.said().starts_with(expected), "{}", room.said());
}

#[test]
fn who_walks_by_or_stands_elsewhere_is_not_looked_at() {
    let mut room = Room::new();
    room.frames(4, &[face(50.0, 100.0, None)], 0.0);
    room.frames(2, &[], 0.0);
    room.frames(4, &[face(50.0, 100.0, None)], 0.0);
    room.frames(20, &[face(400.0, 100.0, None)], 0.0);
    room.frames(20, &[face(50.0, 50.0, None)], 0.0);
    assert_eq!((room.embedded, room.said()), (0, "5 Nobody, 31 Hint(ComeCloser)".into()));
}

#[test]
fn poor_frames_have_their_reason_and_two_people_are_one_too_many() {
    let mut room = Room::new();
    room.frames(9, &[face(50.0, 100.0, Some(Hint::BetterLight))], 0.0);
    room.frames(9, &[face(50.0, 100.0, None), face(180.0, 80.0, None)], 0.0);
    assert_eq!((room.embedded, room.said()), (0, "1 Hint(BetterLight), 10 Several".into()));
    // Somebody far behind doesn't matter.
    room.frames(9, &[face(50.0, 100.0, None), face(180.0, 40.0, None)], 0.0);
    assert!(room.said().ends_with("23 2 more"), "{}", room.said());
}

#[test]
fn somebody_else_ends_it() {
    let mut room = Room::new();
    room.frames(6, &[face(50.0, 100.0, None)], 0.0);
    room.frames(6, &[face(50.0, 100.0, None)], 0.6);
    assert_eq!(room.said(), "5 2 more, 10 Another, 12 Another");
    // One frame that went wrong is forgiven.
    let mut room = Room::new();
    room.frames(6, &[face(50.0, 100.0, None)], 0.0);
    for like in [0.6, 0.0, 0.6, 0.0, 0.6, 0.0, 0.1] {
        room.frames(5, &[face(50.0, 100.0, None)], like);
    }
    assert!(!room.said().contains("12 Another"), "{}", room.said());
}

#[test]
fn it_does_not_go_on_for_ever() {
    let mut room = Room::new();
    room.frames(250, &[face(50.0, 100.0, None)], 0.0);
    assert_eq!(room.said.get(2), Some(&(200, "TimedOut".to_owned())), "{}", room.said());
    // None in the pause after the one that was kept.
    assert_eq!(room.embedded, 1 + 190);
}
