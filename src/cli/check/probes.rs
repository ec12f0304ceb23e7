//! What is looked at, and what to do about it.

use super::Finding;
use super::pins::pins;
use super::ports::ports;
use crate::allowlist::Allowlist;
use crate::app::face::capture::command_line;
use crate::app::{self, Answer, Question, wiring};
use crate::config::{Config, Face, Source};
use crate::domain::{Clock, ReadFault};
use crate::io::clock::SystemClock;
use crate::io::template_key;
use crate::places;
use crate::trust::{Expectation, GateKeys, KeyFileError};
use rumqttc::{Client, Event, MqttOptions, Packet};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A million events of 200 bytes, and as much again while sled tidies up.
const DISK_BYTES: u64 = 400 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// In the order an installer mends them.
pub(super) const ALL: &[fn(&Config) -> Vec<Finding>] = &[
    configuration,
    keys,
    folders,
    clock,
    super::rules::rules,
    pins,
    ports,
    daemon,
    super::buses::readers,
    allowlist,
    broker,
    face,
];

fn configuration(config: &Config) -> Vec<Finding> {
    let face = if config.face.is_some() { "with a camera" } else { "without a camera" };
    let (doors, readers) = (config.doors.len(), config.readers.len());
    let detail = format!("{doors} doors, {readers} readers, {face}");
    if config.readers.is_empty() {
        let remedy = "add a [[reader]] for each card reader";
        return vec![Finding::warn("config", detail, remedy)];
    }
    vec![Finding::pass("config", detail)]
}

fn keys(config: &Config) -> Vec<Finding> {
    let gate = match GateKeys::read(&config.trust.key_file) {
        Ok(_) => Finding::pass("gate key", config.trust.key_file.display().to_string()),
        Err(e @ KeyFileError::Exposed { .. }) => Finding::fail(
            "gate key",
            e.to_string(),
            "chmod 600 it; if others may have read it, have the office make a new one",
        ),
        Err(e) => Finding::fail("gate key", e.to_string(), "take it from the office's bundle"),
    };
    let template = config.face.as_ref().map(|face| match template_key::read(&face.template_key) {
        Ok(_) => Finding::pass("template key", face.template_key.display().to_string()),
        Err(e) => Finding::fail(
            "template key",
            e.to_string(),
            "as it says; a new key makes the templates enrolled under the old one useless",
        ),
    });
    let site = config.trusts_everybody().then(|| {
        Finding::fail(
            "site key",
            "root_key is the example's, whose secret half is published: anybody could sign for this site",
            "put in your site's, as `eithergate site gate add` printed it",
        )
    });
    [site, Some(gate), template].into_iter().flatten().collect()
}

fn folders(config: &Config) -> Vec<Finding> {
    [("data folder", &config.data_dir), ("run folder", &config.run_dir)]
        .into_iter()
        .map(|(check, dir)| folder(check, dir))
        .collect()
}

fn folder(check: &'static str, dir: &Path) -> Finding {
    let name = dir.display();
    // One that isn't there yet is made at start, inside the nearest one that is.
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let Some(there) = absolute.ancestors().find(|d| d.is_dir()) else {
        return Finding::fail(check, format!("{name} can't be made"), "name another folder");
    };
    if rustix::fs::access(there, rustix::fs::Access::WRITE_OK).is_err() {
        let remedy = "give it to the user the gate runs as: chown";
        return Finding::fail(check, format!("{} can't be written", there.display()), remedy);
    }
    let free = rustix::fs::statvfs(there).map(|s| s.f_bavail.saturating_mul(s.f_frsize));
    match free {
        Ok(free) if check == "data folder" && free < DISK_BYTES => Finding::warn(
            check,
            format!("{name}: {} MB free", free >> 20),
            format!("make room: a full journal wants {} MB", DISK_BYTES >> 20),
        ),
        Ok(free) => Finding::pass(check, format!("{name}, {} MB free", free >> 20)),
        Err(e) => Finding::fail(check, format!("{name}: {e}"), "name another folder"),
    }
}

fn clock(_: &Config) -> Vec<Finding> {
    let now = SystemClock.wall().map(|wall| super::super::utc(wall.0));
    vec![match now {
        Some(now) => Finding::pass("clock", now),
        None => Finding::warn(
            "clock",
            "not set: passes with an end are refused, cards without one work",
            "connect to the network once, or fit a clock module",
        ),
    }]
}

fn daemon(config: &Config) -> Vec<Finding> {
    let health = match app::ask(config, &Question::Health {}) {
        Ok(Answer::Ok(health)) => health,
        _ => {
            return vec![Finding::warn(
                "daemon",
                "is not running",
                "systemctl start eithergate, or `eithergate run`",
            )];
        }
    };
    let up = format!("running for {} s", health["uptime_s"]);
    let mut found = vec![Finding::pass("daemon", up)];
    if health["face"]["status"] == "degraded" {
        let fault = health["face"]["fault"].as_str().unwrap_or("?");
        found.push(Finding::fail(
            "face path",
            format!("degraded: {fault}; cards work"),
            "see below, and the daemon's log",
        ));
    }
    found.extend(terms(&health["face"]));
    found.extend(refused(&health["face"]));
    found.extend(changeover(&health["face"]["terms"]));
    found.extend(health["readers"].as_array().into_iter().flatten().map(reader));
    let overruns = health["card"]["overruns"].as_u64().unwrap_or(0);
    if overruns > 0 {
        found.push(Finding::warn(
            "readers",
            format!("edges came faster than they could be read, {overruns} times"),
            "look for a floating or shorted data line",
        ));
    }
    found
}

/// What the gate promises of recognition, at the number of people that are enrolled.
fn terms(face: &Value) -> Option<Finding> {
    let terms = &face["terms"];
    let people = terms["people"].as_u64()?;
    let certainty = &terms["certainty"];
    if certainty.is_null() {
        return Some(Finding::warn(
            "recognition",
            format!(
                "{people} enrolled; this model's certainty was never measured: nothing is promised"
            ),
            "use a model whose manifest has [evidence], or `eithergate face calibrate`",
        ));
    }
    let supported = certainty["supported"].as_u64().unwrap_or(0);
    if certainty["claim_needed"] == true {
        return Some(Finding::fail(
            "recognition",
            format!(
                "{people} enrolled, more faces than the model supports ({supported}): nobody is \
                 recognised without typing their PIN first; cards work"
            ),
            "fewer people by face at this gate, a stronger model, or other targets under [face]",
        ));
    }
    let share = |of: &str| 100.0 * certainty[of]["expected"].as_f64().unwrap_or(f64::NAN);
    let (strangers, residents) = (share("strangers_accepted"), share("residents_refused"));
    Some(Finding::pass(
        "recognition",
        format!(
            "{people} of at most {supported} enrolled; expected: strangers accepted {strangers:.1} %, \
             residents refused {residents:.1} %"
        ),
    ))
}

/// Templates that are kept and of no use.
fn refused(face: &Value) -> Option<Finding> {
    let refused = face["refused"].as_u64().filter(|refused| *refused > 0)?;
    Some(Finding::warn(
        "recognition",
        format!("{refused} templates are of another model, key or version, or damaged: not used"),
        "enrol those residents again; `eithergate subject export` names those that can't be read",
    ))
}

/// How far a change of the embedding model has got.
fn changeover(terms: &Value) -> Option<Finding> {
    let (people, to_move) = (terms["people"].as_u64()?, terms["to_move"].as_u64()?);
    Some(if to_move == 0 {
        Finding::warn(
            "model change",
            format!("all {people} enrolled have moved to the current embedding model"),
            "take former_embedding out of [face]: nothing needs it any more",
        )
    } else {
        Finding::pass(
            "model change",
            format!("{to_move} of {people} enrolled are still known by the former model"),
        )
    })
}

/// One reader, as the running gate knows it.
fn reader(health: &Value) -> Finding {
    let name = health["name"].as_str().unwrap_or("?");
    let state = health["state"].as_str().unwrap_or("?");
    let last = match health["last_read_age_s"].as_u64() {
        None => "no card since the start".into(),
        Some(s) if s < 120 => format!("last card {s} s ago"),
        Some(s) if s < 7_200 => format!("last card {} min ago", s / 60),
        Some(s) => format!("last card {} h ago", s / 3_600),
    };
    let mut detail = format!("{name}: {state}, {} reads, {last}", health["reads"]);
    let faults: BTreeMap<ReadFault, u64> =
        Deserialize::deserialize(&health["faults"]).unwrap_or_default();
    for (fault, count) in &faults {
        detail.push_str(&format!(", {fault} {count}"));
    }
    let remedy: String = match state {
        "down" => "check its power, its cable, its address and its baud rate".into(),
        "tampered" => "it was opened or taken off the wall: look at it".into(),
        "silent" => "check its power and wires; `eithergate listen` shows whether it sends".into(),
        // Ambiguous reads and another format are a configuration's fault: the commonest one first.
        _ => match faults.iter().max_by_key(|(_, count)| **count) {
            Some((fault, _)) => format!("{fault}: {}", fault.remedy()),
            None => return Finding::pass("reader", detail),
        },
    };
    if matches!(state, "down" | "tampered") {
        Finding::fail("reader", detail, remedy)
    } else {
        Finding::warn("reader", detail, remedy)
    }
}

fn allowlist(config: &Config) -> Vec<Finding> {
    let path = config.data_dir.join("allowlist");
    let Ok(keys) = GateKeys::read(&config.trust.key_file) else { return Vec::new() };
    let remedy = "publish one in the office: eithergate site publish";
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return vec![Finding::warn("allowlist", "none yet: nobody may enter", remedy)];
        }
        Err(e) => {
            let detail = format!("{}: {e}", path.display());
            return vec![Finding::fail("allowlist", detail, "run this as the gate's user")];
        }
    };
    let expected = Expectation {
        site: config.site.clone(),
        gate: config.gate.clone(),
        root: config.trust.root_key,
        now: None,
    };
    vec![match Allowlist::open(&bytes, &keys, &expected, None) {
        Ok(list) => {
            let (subjects, cards) = (list.subjects(), list.cards());
            let version = list.version();
            Finding::pass(
                "allowlist",
                format!("version {version}, {subjects} subjects, {cards} cards"),
            )
        }
        Err(why) => Finding::fail("allowlist", format!("not valid: {why:?}"), remedy),
    }]
}

fn broker(config: &Config) -> Vec<Finding> {
    let Some(broker) = &config.broker else {
        return vec![Finding::warn("broker", "none: this gate works alone", "add [broker]")];
    };
    let name = format!("{}:{}", broker.host, broker.port);
    let host = broker.host.trim_matches(['[', ']']);
    let address = (host, broker.port).to_socket_addrs().ok().and_then(|mut a| a.next());
    let Some(address) = address else {
        let remedy = "check url under [broker], and the network's name service";
        return vec![Finding::fail("broker", format!("{name}: no such host"), remedy)];
    };
    if let Err(e) = TcpStream::connect_timeout(&address, PATIENCE) {
        let remedy = "is the broker running, and does a firewall let this gate through?";
        return vec![Finding::fail("broker", format!("{name}: {e}"), remedy)];
    }
    if broker.tls {
        return vec![Finding::pass("broker", format!("{name} answers; TLS is the daemon's"))];
    }
    let mut options = MqttOptions::new("eithergate-check", host, broker.port);
    if let Some(user) = &broker.user {
        let password = broker.password_file.as_ref().and_then(|p| std::fs::read_to_string(p).ok());
        options.set_credentials(user, password.unwrap_or_default().trim());
    }
    let (client, mut connection) = Client::new(options, 4);
    let finding = match connection.recv_timeout(PATIENCE) {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
            Finding::pass("broker", format!("{name} accepts this gate"))
        }
        Ok(Err(e)) => {
            Finding::fail("broker", format!("{name}: {e}"), "check user and password_file")
        }
        _ => Finding::fail("broker", format!("{name} says nothing"), "is that an MQTT broker?"),
    };
    let _ = client.try_disconnect();
    vec![finding]
}

fn face(config: &Config) -> Vec<Finding> {
    let Some(face) = &config.face else { return Vec::new() };
    let program = places::face_program();
    if !program.is_file() {
        let detail = format!("{} is missing: cards work, faces don't", program.display());
        return vec![Finding::fail("face worker", detail, "build it with `make build`")];
    }
    vec![models(face), sandbox(), camera(face)]
}

/// Loads the three models as the worker does.
fn models(face: &Face) -> Finding {
    let options = wiring::face_options(face);
    let output = Command::new(places::face_program())
        .arg("models")
        .args([&options.detector, &options.landmarks, &options.embedding])
        .args(&options.former)
        .args(&options.liveness)
        .args(options.pins.iter().flat_map(|pin| ["--pin".to_owned(), pin.to_hex()]))
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Finding::pass("models", String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Finding::fail(
            "models",
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            "look at the models' names and pins under [face], or install the models again; `make build` \
             brings the library",
        ),
        Err(e) => Finding::fail("models", e.to_string(), "build it with `make build`"),
    }
}

fn sandbox() -> Finding {
    let output =
        Command::new(places::face_program()).arg("sandbox-test").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Finding::pass("worker shell", "no network, no files, no programs")
        }
        // Without an answer it didn't even start.
        Ok(output) if output.stdout.is_empty() => Finding::fail(
            "worker shell",
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            "mend what the line above says first",
        ),
        Ok(output) => Finding::fail(
            "worker shell",
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            "use a kernel with landlock and seccomp (Debian 12's has both)",
        ),
        Err(e) => Finding::fail("worker shell", e.to_string(), "build it with `make build`"),
    }
}

/// Starts the capture program and waits for one whole frame. Beside a running gate the camera is taken.
fn camera(face: &Face) -> Finding {
    let camera = &face.camera;
    let command = command_line(camera);
    let Some((program, args)) = command.split_first() else {
        return Finding::fail("camera", "no capture program", "name one under [camera]");
    };
    let wanted = u64::from(camera.width) * u64::from(camera.height) * 3 / 2;
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            let remedy = match camera.source {
                Source::Rpicam(_) => "apt install rpicam-apps (Raspberry Pi OS has it)",
                Source::V4l2(_) => "apt install ffmpeg",
                Source::Command(_) => "install it, or name another under [camera] command",
            };
            return Finding::fail("camera", format!("{program}: {e}"), remedy);
        }
    };
    let (sender, got) = std::sync::mpsc::sync_channel(1);
    if let Some(mut frames) = child.stdout.take() {
        std::thread::spawn(move || {
            let read = std::io::copy(&mut (&mut frames).take(wanted), &mut std::io::sink());
            let _ = sender.send(read.unwrap_or(0));
        });
    }
    let start = Instant::now();
    let read = got.recv_timeout(PATIENCE).unwrap_or(0);
    let ended = child.try_wait().ok().flatten();
    let _ = child.kill();
    let _ = child.wait();
    let size = format!("{}x{}", camera.width, camera.height);
    if read == wanted {
        let ms = start.elapsed().as_millis();
        return Finding::pass("camera", format!("first {size} frame after {ms} ms"));
    }
    let how = ended.map_or("within 5 s".into(), |status| format!("before it ended ({status})"));
    Finding::fail(
        "camera",
        format!("{program}: {read} of {wanted} bytes of a {size} frame {how}"),
        "is the camera connected, free (the gate may hold it), and set to this size?",
    )
}
