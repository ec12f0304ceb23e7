//! Workers and cameras that die, hang and come back.

use super::Action::*;
use super::FaceState::*;
use super::*;
use proptest::prelude::*;

const fn ms(t: u64) -> Instant {
    Instant(t * 1000)
}

fn alive(processed: u64, last_frame_ms: u64) -> Input {
    Input::Alive { processed, last_frame_at: Some(ms(last_frame_ms)) }
}

/// A plan at 1 s, with worker and capture started at 0 and frames flowing.
fn up() -> Plan {
    let mut plan = Plan::new(ms(0));
    assert_eq!(plan.handle(ms(0), Input::Tick), [StartWorker]);
    assert_eq!(plan.handle(ms(500), Input::Ready { sandboxed: true }), [StartCapture]);
    assert_eq!(plan.handle(ms(1000), alive(3, 990)), [Report(Up)]);
    plan
}

#[test]
fn a_killed_worker_is_noticed_and_replaced() {
    let mut plan = up();
    let gone = Report(Degraded(FaceFault::WorkerGone));
    let exited = Input::WorkerExited { code: None };
    assert_eq!(plan.handle(ms(2000), exited), [KillWorker, KillCapture, gone]);
    assert_eq!(plan.deadline(), ms(2250));
    assert_eq!(plan.handle(ms(2249), Input::Tick), []);
    assert_eq!(plan.handle(ms(2250), Input::Tick), [StartWorker]);
    assert_eq!(plan.handle(ms(3000), Input::Ready { sandboxed: true }), [StartCapture]);
    assert_eq!(plan.handle(ms(3400), Input::Alive { processed: 0, last_frame_at: None }), []);
    assert_eq!(plan.handle(ms(3800), alive(1, 3700)), [Report(Up)]);
}

#[test]
fn a_silent_worker_is_killed() {
    let mut plan = up();
    assert_eq!(plan.deadline(), ms(3000));
    assert_eq!(plan.handle(ms(2999), Input::Tick), []);
    let hung = Report(Degraded(FaceFault::WorkerHung));
    assert_eq!(plan.handle(ms(3000), Input::Tick), [KillWorker, KillCapture, hung]);
    assert_eq!(plan.handle(ms(3001), Input::WorkerExited { code: None }), []);
}

#[test]
fn a_worker_that_never_gets_ready_is_killed() {
    let mut plan = Plan::new(ms(0));
    plan.handle(ms(0), Input::Tick);
    assert_eq!(plan.deadline(), ms(20_000));
    let hung = Report(Degraded(FaceFault::WorkerHung));
    assert_eq!(plan.handle(ms(20_000), Input::Tick), [KillWorker, hung]);
}

#[test]
fn an_unfit_worker_is_retried_ever_more_slowly() {
    let mut plan = Plan::new(ms(0));
    let (mut waits, mut failed_at) = (Vec::new(), ms(0));
    for input in [
        Input::Unfit,
        Input::WorkerNotStarted,
        Input::WorkerExited { code: Some(127) },
        Input::Unfit,
        Input::Unfit,
        Input::Unfit,
        Input::Unfit,
        Input::Unfit,
        Input::Unfit,
        Input::Unfit,
    ] {
        let mut now = plan.deadline();
        let mut actions = plan.handle(now, Input::Tick);
        if actions == [Alarm(true)] {
            now = plan.deadline();
            actions = plan.handle(now, Input::Tick);
        }
        assert_eq!(actions, [StartWorker]);
        waits.push(now.since(failed_at).as_millis());
        failed_at = now;
        plan.handle(now, input);
        assert_eq!(plan.state(), Degraded(FaceFault::WorkerUnfit));
    }
    assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
}

#[test]
fn a_minute_of_health_makes_the_wait_short_again() {
    let mut plan = up();
    plan.handle(ms(1100), Input::WorkerExited { code: None });
    plan.handle(ms(1350), Input::Tick);
    plan.handle(ms(1400), Input::Ready { sandboxed: true });
    plan.handle(ms(61_400), Input::WorkerExited { code: Some(1) });
    assert_eq!(plan.deadline(), ms(61_650));
    plan.handle(ms(61_650), Input::Tick);
    plan.handle(ms(61_700), Input::Ready { sandboxed: true });
    plan.handle(ms(121_699), Input::WorkerExited { code: Some(1) });
    assert_eq!(plan.deadline(), ms(122_199));
}

#[test]
fn a_capture_that_ends_is_replaced_and_the_worker_stays() {
    let mut plan = up();
    let gone = Report(Degraded(FaceFault::CaptureGone));
    assert_eq!(plan.handle(ms(1100), Input::CaptureExited), [KillCapture, gone]);
    assert_eq!(plan.deadline(), ms(1350));
    assert_eq!(plan.handle(ms(1200), alive(9, 1090)), [], "frames of the old one");
    assert_eq!(plan.handle(ms(1350), Input::Tick), [StartCapture]);
    assert_eq!(plan.handle(ms(1600), alive(9, 1500)), [], "seen, not yet processed");
    assert_eq!(plan.handle(ms(1800), alive(10, 1500)), [Report(Up)]);
}

#[test]
fn a_camera_that_stands_still_is_replaced() {
    let mut plan = up();
    assert_eq!(plan.handle(ms(2489), alive(3, 990)), []);
    let stalled = Report(Degraded(FaceFault::CaptureStalled));
    assert_eq!(plan.handle(ms(2490), alive(3, 990)), [KillCapture, stalled]);
    assert_eq!(plan.handle(ms(2740), Input::Tick), [StartCapture]);
    // The first frame may take longer.
    assert_eq!(plan.handle(ms(4300), alive(3, 990)), []);
    assert_eq!(plan.handle(ms(6300), alive(3, 990)), []);
    assert_eq!(plan.handle(ms(7740), alive(3, 990)), [KillCapture]);
}

#[test]
fn without_a_sandbox_it_works_but_stays_degraded() {
    let mut plan = Plan::new(ms(0));
    plan.handle(ms(0), Input::Tick);
    plan.handle(ms(1), Input::Ready { sandboxed: false });
    let missing = Report(Degraded(FaceFault::SandboxMissing));
    assert_eq!(plan.handle(ms(100), alive(1, 50)), [missing]);
    assert_eq!(plan.handle(ms(200), alive(2, 150)), []);
}

#[test]
fn a_stall_is_seen_within_2_s_and_an_alarm_within_15() {
    // The worst: the worker has just spoken when the limit is reached.
    let mut plan = up();
    let (mut now, mut seen, mut alarm) = (1_000, None, None);
    while alarm.is_none() && now < 20_000 {
        now += 10;
        // The worker speaks four times a second; the camera has given its last frame at 990.
        let input = if now % 250 == 230 { alive(3, 990) } else { Input::Tick };
        for action in plan.handle(ms(now), input) {
            match action {
                Report(Degraded(FaceFault::CaptureStalled)) => seen = Some(now - 990),
                Alarm(true) => alarm = Some(now - 990),
                _ => {}
            }
        }
    }
    assert!(seen.is_some_and(|after| after <= 2_000), "{seen:?}");
    assert!(alarm.is_some_and(|after| after <= 15_000), "{alarm:?}");
    // Once; the core repeats it.
    for _ in 0..100 {
        now += 250;
        assert!(!plan.handle(ms(now), alive(3, 990)).contains(&Alarm(true)));
        assert!(!plan.handle(ms(now), Input::Tick).contains(&Alarm(true)));
    }
}

#[test]
fn a_camera_that_is_back_in_time_is_no_alarm() {
    let mut plan = up();
    for i in 1..4 {
        let t = 18_000 * i - 16_500;
        plan.handle(ms(t), Input::CaptureExited);
        let back = plan.deadline();
        assert!(plan.handle(back, Input::Tick).contains(&StartCapture));
        let (n, at) = (100 * i, back.0 / 1000 + 100);
        assert_eq!(plan.handle(ms(at + 50), alive(n, at)), [Report(Up)]);
        for more in 1..70 {
            let at = at + 250 * more;
            assert!(!plan.handle(ms(at + 50), alive(n + more, at)).contains(&Alarm(true)), "{at}");
        }
    }
}

#[test]
fn a_camera_that_gives_a_few_frames_after_each_restart_is_an_alarm() {
    let mut plan = up();
    let (mut now, mut frames, mut last, mut alarms) = (1_000, 3, 990, Vec::new());
    let mut started = None;
    while now < 40_000 {
        now += 10;
        if started.is_some_and(|at| now - at < 500) {
            (frames, last) = (frames + 1, now);
        }
        let input = if now % 250 == 230 { alive(frames, last) } else { Input::Tick };
        for action in plan.handle(ms(now), input) {
            match action {
                StartCapture => started = Some(now).filter(|_| now < 20_000),
                Alarm(active) => alarms.push((active, now)),
                _ => {}
            }
        }
    }
    assert!(matches!(alarms[..], [(true, at)] if at < 15_000), "{alarms:?}");
    // Mended: over once it has been up for a while, not before.
    let back = now;
    while alarms.len() == 1 && now < 120_000 {
        now += 10;
        let input = if now % 250 == 230 { alive(now, now) } else { Input::Tick };
        let actions = plan.handle(ms(now), input);
        alarms.extend(actions.contains(&Alarm(false)).then_some((false, now)));
    }
    assert!(alarms.len() == 2 && alarms[1].1 > back + 5_000, "{alarms:?}");
}

#[test]
fn a_worker_that_never_works_is_an_alarm_and_one_without_a_sandbox_is_not() {
    let mut plan = Plan::new(ms(0));
    let (mut now, mut alarms) = (ms(0), Vec::new());
    while now < ms(60_000) {
        let actions = plan.handle(now, Input::Tick);
        alarms.extend(actions.contains(&Alarm(true)).then_some(now));
        if actions.contains(&StartWorker) {
            plan.handle(now, Input::Unfit);
        }
        now = plan.deadline();
    }
    assert_eq!(alarms, [ms(10_000)]);

    let mut plan = Plan::new(ms(0));
    plan.handle(ms(0), Input::Tick);
    plan.handle(ms(1), Input::Ready { sandboxed: false });
    for i in 1..200 {
        let actions = plan.handle(ms(250 * i), alive(i, 250 * i - 10));
        assert!(!actions.contains(&Alarm(true)));
    }
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => Just(Input::Tick),
        1 => Just(Input::WorkerNotStarted),
        2 => Just(Input::Ready { sandboxed: true }),
        1 => Just(Input::Unfit),
        4 => (0u64..20, 0u64..10_000).prop_map(|(n, at)| alive(n, at)),
        1 => Just(Input::WorkerGarbled),
        1 => Just(Input::WorkerClogged),
        1 => Just(Input::WorkerExited { code: None }),
        1 => Just(Input::WorkerExited { code: Some(0) }),
        1 => Just(Input::CaptureNotStarted),
        1 => Just(Input::CaptureExited),
    ]
}

proptest! {
    /// Whatever happens: one worker and one capture program at most, captures only beside a worker,
    /// and none that is killed stays uncounted.
    #[test]
    fn starts_and_kills_are_paired(
        script in proptest::collection::vec((0u64..3000, inputs()), 1..200),
    ) {
        let mut plan = Plan::new(ms(0));
        let (mut now, mut worker, mut capture) = (0, false, false);
        for (wait, input) in script {
            now += wait;
            for action in plan.handle(ms(now), input) {
                match action {
                    StartWorker => { prop_assert!(!worker); worker = true; }
                    KillWorker => { prop_assert!(worker); worker = false; }
                    StartCapture => { prop_assert!(worker && !capture); capture = true; }
                    KillCapture => { prop_assert!(capture); capture = false; }
                    Report(state) => prop_assert_eq!(state, plan.state()),
                    Alarm(active) => prop_assert_eq!(active, matches!(plan.state(), Degraded(_))),
                }
            }
            prop_assert!(worker || !capture);
        }
    }
}
