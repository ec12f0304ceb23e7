use super::*;
use crate::domain::WallTime;
use std::path::Path;

#[derive(Clone, Copy)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Instant {
        Instant(5_000_000)
    }
    fn wall(&self) -> Option<WallTime> {
        None
    }
}

fn wiring(dir: &Path, released: Released, relay_active_high: bool) -> Wiring {
    Wiring {
        socket: dir.join("sim.sock"),
        released,
        pulled_up: 0,
        readers: vec![ReaderLines { name: "entrance".into(), d0: 5, d1: 6 }],
        inputs: vec![InputLine {
            name: "main.contact".into(),
            line: 22,
            active_high: true,
            debounce: Duration::ZERO,
        }],
        outputs: vec![OutputLine {
            name: "main.relay".into(),
            line: 17,
            active_high: relay_active_high,
            safe_high: !relay_active_high,
        }],
    }
}

fn pins(wiring: &Wiring) -> (SimPins, Receiver<PinEvent>) {
    let (sender, events) = sync_channel(100);
    let sink: PinSink = Box::new(move |event| sender.try_send(event).is_ok());
    (open(wiring.clone(), Stopped, sink).unwrap(), events)
}

fn relay(wiring: &Wiring) -> bool {
    look(wiring, &[17]).unwrap()[0].high == Some(wiring.outputs[0].active_high)
}

#[test]
fn an_output_is_safe_from_the_first_moment_and_as_the_kernel_leaves_it_after_the_last() {
    for (released, active_high, after) in [
        (Released::Keep, true, true),
        (Released::Keep, false, true),
        // An input without a pull is low here: a relay that is energised by that is.
        (Released::Reset, true, false),
        (Released::Reset, false, true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let wiring = wiring(dir.path(), released, active_high);
        let (mut held, _events) = pins(&wiring);
        assert!(!relay(&wiring), "{released:?}: energised by being taken");
        held.set(17, active_high).unwrap();
        assert!(relay(&wiring));
        // One driver at a time.
        assert!(set_safe(&wiring).is_err());
        // The server's thread shares the lock as long as its process lives; here it must not.
        rustix::fs::flock(&held.levels.0, rustix::fs::FlockOperation::Unlock).unwrap();
        drop(held);
        assert_eq!(relay(&wiring), after, "{released:?}, active high: {active_high}");
        let left = set_safe(&wiring).unwrap();
        let still = released == Released::Reset && !active_high;
        assert_eq!(relay(&wiring), still);
        assert_eq!(left[0].high, Some(active_high == still));
    }
}

#[test]
fn switches_are_told_as_they_stand_and_stay_so_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let wiring = wiring(dir.path(), Released::Keep, true);
    let (held, events) = pins(&wiring);
    let told = |high| PinEvent::Level(PinEdge { line: 22, high, at: Stopped.now() });
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [told(false)]);
    held.levels.set(22, true).unwrap();
    rustix::fs::flock(&held.levels.0, rustix::fs::FlockOperation::Unlock).unwrap();
    let (_held, events) = pins(&wiring);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [told(true)]);
}

#[test]
fn late_edges_keep_their_stamps_and_nothing_is_promised_before_them() {
    use crate::io::EdgeSource;
    let board = Board::default();
    let mut source = Source { board: board.clone(), clock: Stopped, lines: vec![(5, 0)] };
    let (early, late) = (Instant(4_900_000), Instant(4_990_000));
    board.schedule(&[PinEdge { line: 5, high: true, at: late }]);
    board.schedule(&[PinEdge { line: 5, high: false, at: early }]);
    board.lag(Duration::from_millis(50));
    let mut edges = Vec::new();
    assert_eq!(source.take(Duration::ZERO, &mut edges).unwrap(), Instant(4_950_000));
    assert_eq!(edges.iter().map(|e| (e.at, e.number)).collect::<Vec<_>>(), [(early, 0)]);
    board.lag(Duration::ZERO);
    edges.clear();
    assert_eq!(source.take(Duration::ZERO, &mut edges).unwrap(), Stopped.now());
    assert_eq!(edges.iter().map(|e| (e.at, e.number)).collect::<Vec<_>>(), [(late, 1)]);
}
