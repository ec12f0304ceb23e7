//! The face path with the real binary and the real models: seen, lost, found again.
#![cfg(feature = "face")]

#[path = "worker/rig.rs"]
mod rig;

use eithergate::app::face::{FaceEvent, FaceState, Options};
use eithergate::domain::{FaceFault, Hint, Liveness, LivenessPolicy, SubjectId};
use eithergate::wire::template::{MAX_SEALED, Sealed};
use eithergate::wire::worker::{Refusal, Terms};
use rig::{Gate, signal, until};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_eithergate-face");
const SUBJECT: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";
/// Generous: two cores may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn picture(name: &str) -> PathBuf {
    let path = root().join("target/pictures").join(name);
    assert!(path.is_file(), "{} is missing; run `make setup` first", path.display());
    path
}

fn subject() -> SubjectId {
    SUBJECT.parse().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}{}", show(&output.stdout), show(&output.stderr));
    })
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Neither running nor a zombie.
fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn an_enrolled_face_is_known_and_a_stranger_is_nobody() {
    let mut gate = Gate::new(&["obama2.jpg", "biden.jpg"]).enrolled("obama.jpg");
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::GalleryLoaded { taken: 1, refused: 0 });
    gate.event(FaceEvent::Up);
    let seen = [gate.observed(), gate.observed(), gate.observed(), gate.observed()];
    let (known, nobody) = (Some(subject()), None);
    assert!(
        seen == [known, nobody, known, nobody] || seen == [nobody, known, nobody, known],
        "{seen:?}"
    );
    let status = supervisor.status();
    assert_eq!(status.state, FaceState::Up);
    assert!(status.sandbox.is_some_and(|s| s.is_complete()), "{status:?}");
    assert!(status.worker_rss_bytes.is_some_and(|b| b > 1 << 20), "{status:?}");

    // Withdrawn: known no more.
    gate.gallery.lock().unwrap().clear();
    supervisor.forget(subject()).unwrap();
    gate.event(FaceEvent::Forgotten { subject: subject() });
    let seen = [gate.observed(), gate.observed(), gate.observed()];
    assert!(seen.iter().skip(1).all(Option::is_none), "{seen:?}");

    // And once more, into the running worker.
    supervisor.enrol(gate.seal("obama.jpg")).unwrap();
    gate.event(FaceEvent::Enrolled { subject: subject(), outcome: Ok(()) });
    assert!((0..4).any(|_| gate.observed() == known));

    let (worker, capture) = (status.worker_pid.unwrap(), status.capture_pid.unwrap());
    assert!(!is_gone(worker) && !is_gone(capture));
    supervisor.stop();
    assert!(is_gone(worker) && is_gone(capture));
}

/// The default: a picture, whoever it shows, is no living face.
#[test]
fn a_still_picture_of_a_resident_is_asked_for_a_card_and_refused() {
    let mut gate = Gate::new(&["obama2.jpg"]).enrolled("obama.jpg");
    let mut options = gate.options();
    options.tracking.liveness = LivenessPolicy::Motion;
    let hold = options.capture.iter().position(|a| a == "--hold-ms").unwrap() + 1;
    options.capture[hold] = "20000".to_owned();
    let _supervisor = gate.spawn(options);
    gate.next("a hint to turn", |e| (*e == FaceEvent::Hint(Hint::TurnHead)).then_some(()));
    gate.next("a hint to use a card", |e| (*e == FaceEvent::Hint(Hint::UseCard)).then_some(()));
    let refused = gate.next("an observation", |e| match e {
        FaceEvent::Observed(o) => Some((o.subject, o.liveness)),
        _ => None,
    });
    assert_eq!(refused, (Some(subject()), Liveness::NotShown));
}

#[test]
fn the_terms_are_told_and_look_alikes_found() {
    let mut gate = Gate::new(&[]).enrolled("obama.jpg");
    let mut other = gate.seal_for("obama2.jpg", OTHER);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::GalleryLoaded { taken: 1, refused: 0 });
    let terms = |people| {
        move |e: &FaceEvent| match e {
            FaceEvent::Terms(terms) if terms.people == people => Some(*terms),
            _ => None,
        }
    };
    let Terms { threshold, .. } = gate.next("terms", terms(1));
    assert!(threshold > 0.0);
    supervisor.enrol(other.clone()).unwrap();
    gate.next("terms for two", terms(2));
    supervisor.look_alikes(subject()).unwrap();
    let others = vec![other.subject];
    gate.event(FaceEvent::LookAlikes { subject: subject(), others });
    // A template sealed for one subject is nobody else's.
    other.subject = subject();
    supervisor.enrol(other).unwrap();
    gate.event(FaceEvent::Enrolled { subject: subject(), outcome: Err(Refusal::Sealed) });
    // Somebody who looks like two is one of them until they are kept apart.
    supervisor.separate(subject(), OTHER.parse().unwrap()).unwrap();
    supervisor.forget(subject()).unwrap();
    gate.event(FaceEvent::Forgotten { subject: subject() });
    gate.next("terms for one", terms(1));
}

#[test]
fn a_killed_worker_comes_back_with_its_gallery() {
    let mut gate = Gate::new(&["obama2.jpg"]).enrolled("obama.jpg");
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::Up);
    let before = supervisor.status();
    signal(before.worker_pid, "-KILL");
    gate.event(FaceEvent::Degraded(FaceFault::WorkerGone));
    gate.event(FaceEvent::Up);
    let after = supervisor.status();
    assert_ne!(after.worker_pid, before.worker_pid);
    assert_eq!((after.worker_starts, after.capture_starts), (2, 2));
    assert!(is_gone(before.worker_pid.unwrap()) && is_gone(before.capture_pid.unwrap()));
    assert_eq!(gate.observed(), Some(subject()));
}

#[test]
fn a_hung_worker_is_replaced() {
    let mut gate = Gate::new(&["obama2.jpg"]);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::Up);
    let before = supervisor.status().worker_pid;
    signal(before, "-STOP");
    gate.event(FaceEvent::Degraded(FaceFault::WorkerHung));
    gate.event(FaceEvent::Up);
    assert_ne!(supervisor.worker_pid(), before);
    assert!(is_gone(before.unwrap()));
}

#[test]
fn a_capture_program_that_ends_or_stands_still_is_replaced() {
    let mut gate = Gate::new(&["obama2.jpg"]);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::Up);
    let before = supervisor.status();
    signal(before.capture_pid, "-KILL");
    gate.event(FaceEvent::Degraded(FaceFault::CaptureGone));
    gate.event(FaceEvent::Up);
    let second = supervisor.status();
    assert_ne!(second.capture_pid, before.capture_pid);
    signal(second.capture_pid, "-STOP");
    gate.event(FaceEvent::Degraded(FaceFault::CaptureStalled));
    gate.event(FaceEvent::Up);
    let third = supervisor.status();
    assert_ne!(third.capture_pid, second.capture_pid);
    assert_eq!(third.worker_pid, before.worker_pid, "the worker is not to blame");
    assert!(is_gone(before.capture_pid.unwrap()) && is_gone(second.capture_pid.unwrap()));
}

#[test]
fn a_missing_capture_program_is_reported() {
    let mut gate = Gate::new(&[]);
    let mut options = gate.options();
    options.capture = vec!["/no/such/camera".to_owned()];
    let supervisor = gate.spawn(options);
    gate.event(FaceEvent::Degraded(FaceFault::CaptureGone));
    let status = supervisor.status();
    assert!(status.worker_pid.is_some(), "{status:?}");
}

#[test]
fn what_can_not_work_is_unfit_and_tried_ever_more_slowly() {
    let elsewhere = tempfile::tempdir().unwrap();
    // Far from the library that it was linked against: the dynamic linker gives up.
    let alone = elsewhere.path().join("eithergate-face");
    fs::copy(PROGRAM, &alone).unwrap();
    type Spoil<'a> = Box<dyn Fn(&mut Options) + 'a>;
    let cases: [(&str, Spoil); 4] = [
        ("a missing model", Box::new(|o| o.embedding = "/no/such/model.toml".into())),
        ("a missing library", Box::new(|o| o.program = alone.clone())),
        ("a missing program", Box::new(|o| o.program = "/no/such/program".into())),
        ("a missing key", Box::new(|o| o.template_key = "/no/such/key".into())),
    ];
    let mut running = Vec::new();
    for (what, spoil) in &cases {
        let mut gate = Gate::new(&[]);
        let mut options = gate.options();
        spoil(&mut options);
        let started = Instant::now();
        let supervisor = gate.spawn(options);
        gate.event(FaceEvent::Degraded(FaceFault::WorkerUnfit));
        running.push((*what, gate, supervisor, started));
    }
    for (what, _gate, supervisor, started) in running {
        if what == "a missing model" || what == "a missing library" {
            // Waits of 250, 500 and 1000 ms lie between the first start and the fourth.
            until(&supervisor, "a fourth start", |s| s.worker_starts >= 4);
            assert!(started.elapsed() >= Duration::from_millis(1750), "{what}: no back-off");
        } else {
            assert_eq!(supervisor.status().worker_starts, 0, "{what}");
        }
        assert_eq!(supervisor.status().state, FaceState::Degraded(FaceFault::WorkerUnfit));
    }
}

#[test]
fn a_template_that_was_tampered_with_is_refused_by_the_worker() {
    let mut gate = Gate::new(&["obama2.jpg"]);
    let mut altered = gate.seal("obama.jpg");
    *altered.bytes.last_mut().unwrap() ^= 1;
    let too_long = Sealed { subject: subject(), bytes: vec![1; MAX_SEALED + 1] };
    gate.gallery.lock().unwrap().extend([altered.clone(), too_long.clone()]);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::GalleryLoaded { taken: 0, refused: 2 });
    supervisor.enrol(altered).unwrap();
    gate.event(FaceEvent::Enrolled { subject: subject(), outcome: Err(Refusal::Sealed) });
    supervisor.enrol(too_long).unwrap();
    gate.event(FaceEvent::Enrolled { subject: subject(), outcome: Err(Refusal::Malformed) });
    assert_eq!(gate.observed(), None);
}

#[test]
fn inside_the_sandbox_nothing_opens() {
    let output = Command::new(PROGRAM).arg("sandbox-test").output().unwrap();
    let verdict = json(&output);
    for attempt in
        ["udp", "tcp", "unix", "open", "create", "run", "unlisted", "earlier_udp", "earlier_open"]
    {
        assert_eq!(verdict[attempt], "refused", "{attempt}: {verdict}");
    }
    assert_eq!(verdict["thread"], "started", "{verdict}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_worker_itself_is_shut_in() {
    let mut gate = Gate::new(&["obama2.jpg"]);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::Up);
    let pid = supervisor.worker_pid().unwrap();
    let mut threads = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let line = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            line.trim().to_owned()
        };
        assert_eq!(line("Seccomp:"), "2", "{status}");
        assert_eq!(line("NoNewPrivs:"), "1", "{status}");
        threads += 1;
    }
    assert!(threads >= 2, "the loop and the intake");
    let open: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|fd| fs::read_link(fd.unwrap().path()).unwrap().display().to_string())
        .collect();
    assert!(
        open.iter().all(|to| {
            to.starts_with("socket:") || to.starts_with("pipe:") || to == "/dev/null"
        }),
        "{open:?}"
    );
}

fn bare_worker() -> (std::process::Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let models = root().join("models");
    let child = Command::new(PROGRAM)
        .arg("run")
        .arg("--detector")
        .arg(models.join("detector.toml"))
        .arg("--landmarks")
        .arg(models.join("landmarks.toml"))
        .arg("--embedding")
        .arg(models.join("embedding.toml"))
        .stdin(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, ours)
}

#[test]
fn the_worker_ends_with_its_daemon_and_with_nonsense() {
    let (mut orphan, socket) = bare_worker();
    drop(socket);
    assert_eq!(orphan.wait().unwrap().code(), Some(0));

    let (mut confused, mut socket) = bare_worker();
    socket.write_all(&[0xff; 64]).unwrap();
    assert_eq!(confused.wait().unwrap().code(), Some(65));

    let output = Command::new(PROGRAM)
        .args(["run", "--detector", "a", "--landmarks", "b", "--embedding", "c"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "not started by a daemon");
}

#[test]
fn frames_plays_a_folder_and_ends_cleanly() {
    let gate = Gate::new(&["obama2.jpg", "biden.jpg"]);
    let pictures = gate.dir.path().join("pictures");
    let frames = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("frames").arg(&pictures).args(["--width", "64", "--height", "48"]);
        command.args(["--fps", "100", "--hold-ms", "50"]).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let output = frames(&["--gap-ms", "20"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", show(&output.stderr));
    // Two pictures, each 5 frames long, each with 2 black ones after it.
    let frame = 64 * 48 * 3 / 2;
    assert_eq!(output.stdout.len(), 14 * frame);
    let all: Vec<&[u8]> = output.stdout.chunks(frame).collect();
    assert_eq!(all[0], all[4]);
    assert_ne!(all[0], all[7], "in the order of names");
    assert!(all[5][..64 * 48].iter().all(|&luma| luma == 16), "black between");

    let mut endless = frames(&["--loop"]).spawn().unwrap();
    let mut two = vec![0; 20 * frame];
    let mut pipe = endless.stdout.take().unwrap();
    pipe.read_exact(&mut two).unwrap();
    drop(pipe);
    assert_eq!(endless.wait().unwrap().code(), Some(0), "nobody looks any more");

    let mut odd = Command::new(PROGRAM);
    let odd = odd.arg("frames").arg(&pictures).args(["--width", "63"]).output().unwrap();
    assert_eq!(odd.status.code(), Some(64));
    assert!(show(&odd.stderr).contains("63x480"), "{}", show(&odd.stderr));
    fs::write(pictures.join("a.jpg"), "no picture").unwrap();
    let bad = frames(&[]).output().unwrap();
    assert_eq!(bad.status.code(), Some(65));
    assert!(show(&bad.stderr).contains("a.jpg"));
}

/// Not a test of its own: what [`a_daemon_that_is_killed_leaves_nobody_behind`] kills.
#[test]
fn daemon_to_be_killed() {
    if std::env::var_os("EITHERGATE_TEST_DAEMON").is_none() {
        return;
    }
    let mut gate = Gate::new(&["obama2.jpg"]);
    let supervisor = gate.spawn(gate.options());
    gate.event(FaceEvent::Up);
    let status = supervisor.status();
    eprintln!("pids {} {}", status.worker_pid.unwrap(), status.capture_pid.unwrap());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_daemon_that_is_killed_leaves_nobody_behind() {
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "daemon_to_be_killed", "--nocapture"])
        .env("EITHERGATE_TEST_DAEMON", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(daemon.stderr.take().unwrap()).lines().map(Result::unwrap);
    let pids = said.filter_map(|l| l.strip_prefix("pids ").map(str::to_owned)).next().unwrap();
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let deadline = Instant::now() + LIMIT;
    // An orphan may stay a zombie until whoever adopts it looks.
    let runs = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    while pids.iter().any(runs) {
        assert!(Instant::now() < deadline, "{pids:?} outlive the daemon");
        std::thread::sleep(Duration::from_millis(5));
    }
}
