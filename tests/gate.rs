//! The real daemon with a real Mosquitto, a real office, and simulated pins: the card's whole way, what
//! is refused, and what survives being killed.

mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{GATE, NEIGHBOUR, RESIDENT, SITE, UNKNOWN, World};
use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};
use stage::{Outcome, SOON, card_gate, is_applied, must, program};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(600);

#[test]
fn a_card_opens_and_a_stranger_s_does_not() {
    let mut world = card_gate();
    let mark = world.eyes.mark();
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay");
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card"), ("door", "main")]);
    assert!(world.eyes.wait(mark, SOON, granted).is_some(), "no AccessGranted");
    must(world.set_contact(true));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some(), "no relock");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_event("AccessTaken", &[])).is_some());
    must(world.set_contact(false));

    for refused in [true, false] {
        let mark = world.eyes.mark();
        if refused {
            must(world.present_card(UNKNOWN));
            let denied = |s: &Sight| s.is_event("Denied", &[("reason", "CredentialNotFound")]);
            assert!(world.eyes.wait(mark, SOON, denied).is_some(), "no Denied");
        } else {
            must(world.present_noise());
        }
        assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "it opened");
    }

    // A grant that nobody uses ends by itself.
    let mark = world.eyes.mark();
    must(world.present_card(NEIGHBOUR));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_event("AccessNotTaken", &[])).is_some());
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some());
    assert!(!world.eyes.mentions(&world.secrets()), "a message names a card or a subject");
}

#[test]
fn what_arrives_on_the_allowlist_topic_is_applied_whole_or_refused() -> Outcome {
    let mut world = card_gate();
    let topic = format!("eithergate/v1/{SITE}/{GATE}/allowlist");
    let genuine = retained(world.port(), &topic)?;

    let mut altered = genuine.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let dot = genuine.iter().position(|b| *b == b'.').unwrap_or_default();
    let mut signed_anew = genuine.clone();
    signed_anew[dot + 10] ^= 1;
    for (what, bytes) in [
        ("an altered body", altered),
        ("an altered claim", signed_anew),
        ("nonsense", b"nonsense".to_vec()),
        ("nothing", b"\n".to_vec()),
    ] {
        let mark = world.eyes.mark();
        publish(world.port(), &topic, bytes)?;
        let refused = |s: &Sight| matches!(s, Sight::Ack(a) if a["applied"] == false);
        assert!(world.eyes.wait(mark, SOON, refused).is_some(), "{what}: no refusal");
        let mark = world.eyes.mark();
        must(world.present_card(RESIDENT));
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "after {what}");
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some());
    }

    // A newer list is applied; then the older one is refused, and so it is after a restart.
    let mark = world.eyes.mark();
    must(world.publish());
    assert!(world.eyes.wait(mark, SOON, is_applied).is_some(), "the newer list was not applied");
    for restart in [false, true] {
        if restart {
            must(world.crash_gate());
            must(world.start_gate());
        }
        let mark = world.eyes.mark();
        publish(world.port(), &topic, genuine.clone())?;
        let older = |s: &Sight| matches!(s, Sight::Ack(a) if a["why"] == "older");
        assert!(world.eyes.wait(mark, SOON, older).is_some(), "restarted: {restart}");
    }

    // A list for another gate, by the same office.
    let bundle = world.path("south");
    office(&world, &["gate", "add", "south", "--out", &bundle])?;
    let file = world.path("south.allowlist");
    office(&world, &["publish", "--gate", "south", "--out", &file])?;
    let mark = world.eyes.mark();
    publish(world.port(), &topic, std::fs::read(&file)?)?;
    let not_ours = |s: &Sight| matches!(s, Sight::Ack(a) if a["why"] == "not-for-us");
    assert!(world.eyes.wait(mark, SOON, not_ours).is_some());

    // A list by an office that another root certified, for a gate of the same names.
    let other = world.path("other-site");
    let eithergate = |args: &[&str]| Command::new(program()).args(args).output();
    eithergate(&["site", "--site", &other, "init", "--name", SITE])?;
    let bundle = world.path("other-bundle");
    eithergate(&["site", "--site", &other, "gate", "add", GATE, "--out", &bundle])?;
    let file = world.path("other.allowlist");
    eithergate(&["site", "--site", &other, "publish", "--gate", GATE, "--out", &file])?;
    let mark = world.eyes.mark();
    publish(world.port(), &topic, std::fs::read(&file)?)?;
    let forged = |s: &Sight| matches!(s, Sight::Ack(a) if a["why"] == "bad-signature");
    assert!(world.eyes.wait(mark, SOON, forged).is_some(), "an uncertified list");
    Ok(())
}

#[test]
fn twenty_kills_in_the_middle_of_traffic_lose_nothing_that_was_acknowledged() -> Outcome {
    let mut world = card_gate();
    for round in 0..20u64 {
        let mark = world.eyes.mark();
        // Somewhere in reading, deciding, opening, recording or publishing.
        must(world.present_card(if round % 3 == 0 { UNKNOWN } else { RESIDENT }));
        std::thread::sleep(Duration::from_millis(40 + 17 * (round % 10)));
        must(world.set_contact(round % 2 == 0));
        must(world.crash_gate());
        assert!(!world.relay_level()?, "round {round}: the relay stayed energised");
        must(world.start_gate());
        let started = |s: &Sight| s.is_event("Started", &[]);
        assert!(world.eyes.wait(mark, SOON, started).is_some(), "round {round}: not back");
    }
    let mark = world.eyes.mark();
    must(world.set_contact(false));
    must(world.present_card(RESIDENT));
    let granted = |s: &Sight| s.is_event("AccessGranted", &[]);
    assert!(world.eyes.wait(mark, SOON, granted).is_some(), "the card doesn't open any more");

    // What the subscriber has was acknowledged by the broker: every number from 1, in one epoch.
    let numbers = world.eyes.numbers();
    let epochs: BTreeSet<_> = numbers.keys().map(|(_, epoch, _)| epoch.clone()).collect();
    assert_eq!(epochs.len(), 1, "the journal began anew");
    let seqs: Vec<u64> = numbers.keys().map(|(_, _, seq)| *seq).collect();
    let wanted: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, wanted, "an event is missing");
    // And the gate's own journal has all of them, once.
    let listed = Command::new(program())
        .args(["journal", "list", "--json", "--config", &world.path("gate.toml")])
        .output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let kept: Vec<u64> = listed
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["seq"].as_u64())
        .collect();
    assert!(kept.starts_with(&wanted), "the journal lacks an acknowledged event: {kept:?}");
    Ok(())
}

#[test]
fn a_gate_cut_off_from_its_broker_catches_up() {
    let mut world = card_gate();
    world.stop_broker();
    let mark = world.eyes.mark();
    for _ in 0..5 {
        must(world.present_card(UNKNOWN));
        std::thread::sleep(Duration::from_millis(120));
    }
    must(world.start_broker());
    let end = Instant::now() + SOON;
    let denied = |s: &Sight| s.is_event("Denied", &[]);
    let count = || world.eyes.since(mark).iter().filter(|seen| denied(&seen.what)).count();
    while count() < 5 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let numbers = world.eyes.numbers();
    let denials = world.eyes.since(mark).iter().filter(|s| denied(&s.what)).count();
    assert!(denials >= 5, "only {denials} arrived");
    let last = numbers.keys().map(|(_, _, seq)| *seq).max().unwrap_or(0);
    assert_eq!(numbers.len() as u64, last, "a number is missing");
}

#[test]
fn the_pins_socket_answers_nonsense_and_forgets_who_has_left() -> Outcome {
    let world = card_gate();
    for _ in 0..20 {
        drop(UnixStream::connect(world.socket())?);
        std::thread::sleep(Duration::from_millis(20));
    }
    let long = format!("{}\n", "a".repeat(70_000));
    for (line, told) in [
        ("nonsense\n", "expected"),
        ("{\"read\":{\"reader\":\"nobody\",\"bits\":26,\"raw\":\"1\"}}\n", "no reader named"),
        ("{\"read\":{\"reader\":\"entrance\",\"bits\":4,\"raw\":\"fff\"}}\n", "raw must be"),
        ("{\"edges\":{\"reader\":\"entrance\",\"edges\":[[5000000000,\"d0\",0]]}}\n", "within"),
        (long.as_str(), "at most"),
    ] {
        let mut stream = UnixStream::connect(world.socket())?;
        stream.set_read_timeout(Some(SOON))?;
        // The gate may hang up before it has taken all of a line that is too long.
        let _ = stream.write_all(line.as_bytes());
        let error = BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .find(|answer| answer.contains("\"error\""))
            .unwrap_or_default();
        assert!(error.contains(told), "{:.60}: {error}", line);
    }
    Ok(())
}

#[test]
fn outputs_are_left_alone_while_the_gate_runs() -> Outcome {
    let world = card_gate();
    let config = world.path("gate.toml");
    let run = Command::new(program()).args(["outputs", "safe", "--config", &config]).output()?;
    assert_eq!(run.status.code(), Some(69), "{}", String::from_utf8_lossy(&run.stderr));
    Ok(())
}

#[test]
fn a_wrong_configuration_is_told_whole_and_touches_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("gate.toml");
    std::fs::write(&path, "[gate]\nname = \"North\"\ndata_dir = \"data\"\n")?;
    let run = Command::new(program()).args(["run", "--config"]).arg(&path).output()?;
    assert_eq!(run.status.code(), Some(78));
    let told = String::from_utf8(run.stderr)?;
    for word in ["gate.toml:2:8", "site: missing", "run_dir: missing", "[trust]", "[hardware]"] {
        assert!(told.contains(word), "{word:?} is not in:\n{told}");
    }
    assert!(!dir.path().join("data").exists());
    let run = Command::new(program()).args(["run", "--config", "/nowhere.toml"]).output()?;
    assert_eq!(run.status.code(), Some(66));
    Ok(())
}

fn office(world: &World, args: &[&str]) -> Outcome {
    let site = world.path("site");
    let output = Command::new(program()).args(["site", "--site", &site]).args(args).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn mqtt(port: u16, id: &str) -> (Client, rumqttc::Connection) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    Client::new(options, 16)
}

/// What the broker keeps on a topic.
fn retained(port: u16, topic: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (client, mut connection) = mqtt(port, "test-reader");
    client.subscribe(topic, QoS::AtLeastOnce)?;
    for event in connection.iter() {
        if let Event::Incoming(Packet::Publish(message)) = event? {
            return Ok(message.payload.to_vec());
        }
    }
    Err("the broker ended the connection".into())
}

/// A retained message by whoever has the broker.
fn publish(port: u16, topic: &str, bytes: Vec<u8>) -> Outcome {
    let (client, mut connection) = mqtt(port, "test-writer");
    client.publish(topic, QoS::AtLeastOnce, true, bytes)?;
    for event in connection.iter() {
        match event? {
            Event::Incoming(Packet::PubAck(_)) => client.disconnect()?,
            Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
