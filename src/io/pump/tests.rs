use super::*;
use crate::domain::Bias;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, sync_channel};

const D0: u32 = 5;
const D1: u32 = 6;
const FIRE: u32 = 22;

/// A kernel that says what it is told to, in that order.
struct Script(VecDeque<std::io::Result<(Vec<RawEdge>, u64)>>);

impl EdgeSource for Script {
    fn take(&mut self, _: Duration, into: &mut Vec<RawEdge>) -> std::io::Result<Instant> {
        let (edges, taken) = self.0.pop_front().unwrap_or(Err(Error::other("the end")))?;
        into.extend(edges);
        Ok(Instant(taken))
    }
}

fn raw(line: u32, high: bool, at: u64, number: u32) -> RawEdge {
    RawEdge { queue: 0, line, high, at: Instant(at), number }
}

fn edge(line: u32, high: bool, at: u64) -> PinEvent {
    PinEvent::Edge(PinEdge { line, high, at: Instant(at) })
}

fn pump(turns: Vec<std::io::Result<(Vec<RawEdge>, u64)>>) -> (Pump<Script>, Receiver<PinEvent>) {
    pump_with_room(1_000, turns)
}

fn pump_with_room(
    room: usize,
    turns: Vec<std::io::Result<(Vec<RawEdge>, u64)>>,
) -> (Pump<Script>, Receiver<PinEvent>) {
    let (sender, receiver) = sync_channel(room);
    let sink: PinSink = Box::new(move |event| sender.try_send(event).is_ok());
    let queues = vec![vec![D0, D1], vec![FIRE]];
    let fire = Switch { line: FIRE, bias: Bias::PullUp, debounce: Duration::ZERO };
    (Pump::new(Script(turns.into()), queues, &[fire], Bell::new(|| ()), sink), receiver)
}

fn all(turns: Vec<std::io::Result<(Vec<RawEdge>, u64)>>) -> Vec<PinEvent> {
    let (mut pump, events) = pump(turns);
    while pump.turn(Instant(0)) {}
    events.try_iter().collect()
}

fn failed(why: &str) -> PinEvent {
    PinEvent::Failed(why.into())
}

#[test]
fn edges_that_two_interrupt_threads_queued_in_the_wrong_order_are_put_right() {
    let turns = vec![
        // D1's was stamped later and queued first; D0's newest is not yet settled.
        Ok((vec![raw(D1, false, 1_050, 1), raw(D0, true, 1_000, 2)], 1_150)),
        Ok((vec![raw(D1, true, 1_100, 3)], 1_250)),
        Ok((vec![], 9_000)),
    ];
    assert_eq!(
        all(turns),
        [edge(D0, true, 1_000), edge(D1, false, 1_050), edge(D1, true, 1_100), failed("the end")]
    );
}

#[test]
fn a_gap_in_the_numbers_is_told_before_the_edge_behind_it() {
    let turns = vec![
        Ok((vec![raw(D0, false, 1_000, u32::MAX), raw(D0, true, 1_050, 0)], 1_200)),
        // Two were lost; the other queue goes on.
        Ok((
            vec![
                RawEdge { queue: 1, ..raw(22, true, 1_500, 7) },
                raw(D1, false, 2_000, 3),
                RawEdge { queue: 1, ..raw(22, false, 2_500, 8) },
            ],
            9_000,
        )),
    ];
    let lost = PinEvent::Lost { lines: vec![D0, D1], after: Instant(1_050) };
    assert_eq!(
        all(turns),
        [
            edge(D0, false, 1_000),
            edge(D0, true, 1_050),
            lost,
            edge(22, true, 1_500),
            edge(D1, false, 2_000),
            edge(22, false, 2_500),
            failed("the end"),
        ]
    );
}

#[test]
fn the_answer_comes_behind_every_edge_it_speaks_for() {
    let (mut pump, events) = pump(vec![
        Ok((vec![raw(D0, false, 1_000, 1)], 1_100)),
        Ok((vec![raw(D0, true, 1_050, 2), raw(D1, false, 3_000, 3)], 3_100)),
        Ok((vec![], 3_200)),
        Ok((vec![], 3_300)),
    ]);
    assert!(pump.turn(Instant(0)));
    pump.bell.ring();
    assert!(pump.turn(Instant(0)));
    // One question, one answer.
    assert!(pump.turn(Instant(0)) && pump.turn(Instant(0)));
    let told: Vec<_> = events.try_iter().collect();
    assert_eq!(
        told,
        [
            edge(D0, false, 1_000),
            edge(D0, true, 1_050),
            PinEvent::Until(Instant(2_900)),
            edge(D1, false, 3_000)
        ]
    );
}

#[test]
fn a_stamp_of_another_clock_is_no_later_than_its_reading() {
    let turns = vec![Ok((vec![raw(D0, false, u64::MAX, 1)], 1_000)), Ok((vec![], 1_200))];
    assert_eq!(all(turns), [edge(D0, false, 1_000), failed("the end")]);
}

#[test]
fn an_interrupted_wait_is_no_end_and_an_unknown_queue_no_panic() {
    let stray = RawEdge { queue: 9, ..raw(D0, false, 100, 1) };
    let turns = vec![
        Err(ErrorKind::Interrupted.into()),
        Ok((vec![stray], 1_000)),
        Err(Error::other("the chip was unplugged")),
    ];
    assert_eq!(all(turns), [failed("the chip was unplugged")]);
}

#[test]
fn it_waits_no_longer_than_for_what_it_holds() {
    let mut sorter = Sorter::new(vec![vec![D0, D1]]);
    assert_eq!(sorter.wait(Instant(1_000)), IDLE);
    sorter.add(&[raw(D0, false, 900, 1)], Instant(1_000));
    assert_eq!(sorter.wait(Instant(1_000)), Duration(100));
    assert_eq!(sorter.wait(Instant(5_000)), Duration::ZERO);
}

#[test]
fn a_bouncing_contact_is_one_change() {
    let mut debounce = Debounce::new(Duration::from_millis(20));
    let mut out = Vec::new();
    let mut tell = |high, at| {
        out.extend(debounce.edge(PinEdge { line: 22, high, at: Instant(at) }));
    };
    for (i, high) in [true, false, true, false, true].into_iter().enumerate() {
        tell(high, 1_000 + 500 * i as u64);
    }
    // A glitch back, long after it has settled.
    tell(false, 100_000);
    tell(true, 100_300);
    // And the way back for good.
    tell(false, 200_000);
    assert_eq!(debounce.deadline(), Some(Instant(220_000)));
    assert_eq!(debounce.poll(22, Instant(219_999)), None);
    out.extend(debounce.poll(22, Instant(220_000)));
    let told: Vec<_> = out.iter().map(|e| (e.high, e.at.0)).collect();
    assert_eq!(told, [(true, 23_000), (false, 220_000)]);
}

#[test]
fn what_found_no_room_is_not_promised_and_not_overtaken() {
    let (sender, told) = sync_channel(9);
    // No room for one moment: at the first of them, and when it is said again.
    let asked = AtomicUsize::new(0);
    let sink: PinSink = Box::new(move |event| {
        let is_edge = matches!(event, PinEvent::Edge(_));
        let full = is_edge && asked.fetch_add(1, Ordering::Relaxed) < 2;
        !full && sender.try_send(event).is_ok()
    });
    let turns = vec![
        Ok((vec![raw(D0, true, 900, 1)], 2_000)),
        Ok((vec![raw(D1, true, 2_500, 2)], 3_000)),
        Ok((vec![], 9_000)),
    ];
    let switch = |line| Switch { line, bias: Bias::PullUp, debounce: Duration::ZERO };
    let queues = vec![vec![D0, D1]];
    let switches = [switch(D0), switch(D1)];
    let bell = Bell::new(|| ());
    let mut pump = Pump::new(Script(turns.into()), queues, &switches, bell.clone(), sink);
    for want in [
        vec![PinEvent::Until(Instant(899))],
        vec![PinEvent::Until(Instant(899))],
        vec![edge(D0, true, 900), edge(D1, true, 2_500), PinEvent::Until(Instant(8_800))],
    ] {
        bell.ring();
        assert!(pump.turn(Instant(0)));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), want);
    }
}

#[test]
fn what_counts_later_comes_later_however_late_it_is_read() {
    let line = |line, debounce| Switch { line, bias: Bias::PullUp, debounce };
    let bounces = Duration::from_millis(20);
    let switches = [line(FIRE, Duration::ZERO), line(D0, bounces), line(D1, bounces)];
    // All in one reading, the lower line moved last.
    let edges = vec![
        raw(D1, true, 1_000, 1),
        raw(D0, true, 5_000, 2),
        RawEdge { queue: 1, ..raw(FIRE, true, 9_000, 1) },
    ];
    let (pump, events) = pump(vec![Ok((edges, 90_000))]);
    let mut pump = pump.debounced(&switches);
    assert!(pump.turn(Instant(0)));
    let told: Vec<_> = events.try_iter().collect();
    assert_eq!(told, [edge(FIRE, true, 9_000), edge(D1, true, 21_000), edge(D0, true, 25_000)]);
}

#[test]
fn a_switch_that_finds_no_room_is_told_as_soon_as_there_is() {
    let fire = |high, at, number| RawEdge { queue: 1, line: FIRE, high, at: Instant(at), number };
    let noise = (1..=4).map(|i| raw(D0, i % 2 == 0, 1_000 + u64::from(i), i)).collect();
    let turns = vec![
        // A reader goes mad, and then there is a fire.
        Ok((noise, 2_000)),
        Ok((vec![fire(true, 2_000, 1)], 3_000)),
        // What was said meanwhile is over: only how it stands now counts.
        Ok((vec![fire(false, 3_000, 2), fire(true, 3_100, 3)], 4_000)),
        Ok((vec![], 5_000)),
        Ok((vec![], 6_000)),
    ];
    let (mut pump, events) = pump_with_room(2, turns);
    (0..3).for_each(|_| assert!(pump.turn(Instant(0))));
    let noise: Vec<_> = events.try_iter().collect();
    assert_eq!(noise, [edge(D0, false, 1_001), edge(D0, true, 1_002)]);
    (0..2).for_each(|_| assert!(pump.turn(Instant(0))));
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [edge(FIRE, true, 3_100)], "told once");
}
