use super::*;
use crate::record::{Player, Shown};

#[test]
fn a_recorded_day_is_judged_once_more_as_it_was() {
    for seed in 1..=25 {
        let ((timeline, broken), record) = replay(seed).unwrap_or_default();
        assert!(broken.is_none(), "{seed}: {broken:?}");
        assert!(!timeline.is_empty());
        let mut player = Player::default();
        let (mut begun, mut granted) = (0, 0);
        for (i, line) in record.lines().enumerate() {
            let played = player.line(line.as_bytes(), &mut |shown| match shown {
                Shown::Began(_) => begun += 1,
                Shown::Command { command, .. } => {
                    granted += usize::from(format!("{command:?}").contains("AccessGranted"));
                }
                Shown::Differs { .. } => panic!("{seed}, line {}: it differs", i + 1),
                _ => {}
            });
            assert!(played.is_ok(), "{seed}, line {}: {played:?}", i + 1);
        }
        assert!(begun > 1, "{seed}: power cuts begin anew");
        assert!(granted > 20, "{seed}: {granted}");
        assert_eq!(player.missing(), 0, "{seed}");
    }
}
