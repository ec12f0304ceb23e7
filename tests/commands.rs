//! Operators' commands with the real daemon, a real Mosquitto and the real command line: what is done and
//! answered, and what a hostile broker can't get done. And a visitor's pass, from the desk to its last use.

mod stage;

use eithergate::app;
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{GATE, RESIDENT, SITE, World};
use eithergate::domain::{DoorMode, WallTime};
use eithergate::trust::{
    Certificate, Draft, GateKeys, Key256, Purpose, SealingKey, SecretKey, read_private, seal,
};
use eithergate::wire::order::{Request, Wish};
use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};
use stage::{Outcome, SOON, card_gate, is_applied, must, program};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const QUIET: Duration = Duration::from_millis(600);
const TOPIC: &str = "eithergate/v1/willow-court/north/command";

/// `eithergate site ...` in the office's directory, or a guard's.
fn site(world: &World, desk: &str, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(program());
    command.args(["site", "--site", &world.path(desk)]).args(args);
    Ok(command.env("EITHERGATE_BROKER", format!("mqtt://127.0.0.1:{}", world.port())).output()?)
}

#[track_caller]
fn says(output: &Output, code: i32, text: &str) {
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!((output.status.code(), told.contains(text)), (Some(code), true), "{text}: {told}");
}

/// A gate, and a guard's desk beside the office.
fn guarded() -> Result<World> {
    assert!(TOPIC.contains(SITE) && TOPIC.contains(GATE));
    let world = card_gate();
    let desk = world.path("desk");
    says(
        &site(&world, "site", &["operator", "add", "desk", "--role", "guard", "--out", &desk])?,
        0,
        "certified until",
    );
    Ok(world)
}

fn mqtt(port: u16, id: &str) -> (Client, rumqttc::Connection) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    Client::new(options, 16)
}

/// What a broker does of its own accord.
fn publish(world: &World, retain: bool, bytes: &[u8]) -> Outcome {
    let (client, mut connection) = mqtt(world.port(), "hostile-writer");
    client.publish(TOPIC, QoS::AtLeastOnce, retain, bytes)?;
    for event in connection.iter() {
        match event? {
            Event::Incoming(Packet::PubAck(_)) => client.disconnect()?,
            Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// What a broker sees of commands.
fn overhear(world: &World) -> Result<Receiver<Vec<u8>>> {
    let (client, mut connection) = mqtt(world.port(), "hostile-reader");
    client.subscribe(TOPIC, QoS::AtLeastOnce)?;
    let (sender, heard) = sync_channel(16);
    let (ready, is_ready) = sync_channel(1);
    std::thread::spawn(move || {
        let _client = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.try_send(())),
                Ok(Event::Incoming(Packet::Publish(m)))
                    if sender.send(m.payload.to_vec()).is_err() =>
                {
                    return;
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    is_ready.recv_timeout(SOON)?;
    Ok(heard)
}

/// Publishes that, and sees the gate refuse it for this reason, and the door stay shut.
#[track_caller]
fn is_refused(world: &World, what: &str, bytes: &[u8], why: &str) {
    let mark = world.eyes.mark();
    publish(world, false, bytes).unwrap_or_else(|e| panic!("{e}"));
    let refused =
        |s: &Sight| matches!(s, Sight::Answer(a) if a["done"] == false && a["why"] == why);
    assert!(world.eyes.wait(mark, SOON, refused).is_some(), "{what}: {:?}", world.eyes.since(mark));
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "{what}: it opened");
}

#[track_caller]
fn shows(world: &World, mark: usize, kind: &str, fields: &[(&str, &str)]) {
    let seen = world.eyes.wait(mark, SOON, |s| s.is_event(kind, fields));
    assert!(seen.is_some(), "{kind} {fields:?}: {:?}", world.eyes.since(mark));
}

fn settled(world: &World) {
    let released = || !world.relay_level().unwrap_or(true);
    let end = std::time::Instant::now() + SOON;
    while !released() && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(released(), "the relay stays energised");
}

/// Until the gate is at the broker again, and has subscribed before it said so.
fn come_back(world: &mut World) {
    let mark = world.eyes.mark();
    must(world.start_gate());
    shows(world, mark, "Started", &[]);
}

#[test]
fn a_guard_lets_one_person_in_and_it_is_on_record() -> Outcome {
    let mut world = guarded()?;
    let mark = world.eyes.mark();
    says(&site(&world, "desk", &["open", "north", "main"])?, 0, "north: done");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay");
    shows(&world, mark, "Ordered", &[("by", "desk"), ("order", "open-once"), ("door", "main")]);
    shows(&world, mark, "AccessGranted", &[("way", "operator"), ("door", "main")]);
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some(), "no relock");

    says(&site(&world, "desk", &["open", "north", "back"])?, 1, "no-door");
    says(
        &site(&world, "desk", &["mode", "north", "main", "unlocked"])?,
        64,
        "the office's to order",
    );
    says(&site(&world, "desk", &["open", "south", "main"])?, 64, "no gate south");
    says(&site(&world, "desk", &["publish", "--out", &world.path("x")])?, 64, "not the office");
    says(&site(&world, "desk", &["acknowledge", "north"])?, 0, "done");

    // Nobody is there: it is said, and when it will be too late.
    must(world.crash_gate());
    says(&site(&world, "desk", &["open", "north", "main", "--wait", "1"])?, 69, "and never after");
    assert!(!world.eyes.mentions(&world.secrets()), "a message names a card or a subject");
    Ok(())
}

#[test]
fn the_office_sets_modes_that_outlive_a_restart_and_end_by_order() -> Outcome {
    let mut world = guarded()?;
    let mode = |world: &World| world.status().map(|health| health["doors"][0]["mode"].clone());
    let mark = world.eyes.mark();
    says(&site(&world, "site", &["mode", "north", "main", "unlocked", "--for", "2h"])?, 0, "done");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay");
    shows(&world, mark, "DoorModeChanged", &[("mode", "Unlocked"), ("door", "main")]);
    let by = world.eyes.since(mark).into_iter().find_map(|seen| match seen.what {
        Sight::Event(event) if event["kind"] == "DoorModeChanged" => Some(event),
        _ => None,
    });
    let by = by.ok_or("no event")?;
    assert_eq!(by["by"]["operator"], "office", "{by}");
    assert!(by["until"].as_u64().is_some_and(|until| until > by["t"].as_u64().unwrap_or(u64::MAX)));

    says(&site(&world, "site", &["mode", "north", "main", "locked-down"])?, 0, "done");
    shows(&world, mark, "DoorModeChanged", &[("mode", "LockedDown")]);
    must(world.crash_gate());
    come_back(&mut world);
    assert_eq!(mode(&world), Some("LockedDown".into()), "after a restart");
    let mark = world.eyes.mark();
    must(world.present_card(RESIDENT));
    shows(&world, mark, "Denied", &[("reason", "NotPermittedAtThisTime")]);
    says(&site(&world, "desk", &["open", "north", "main"])?, 1, "door-mode");
    says(&site(&world, "site", &["mode", "north", "main", "unlocked"])?, 1, "door-mode");
    shows(&world, mark, "CommandRefused", &[("why", "door-mode"), ("by", "desk")]);
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "it opened");
    says(&site(&world, "site", &["mode", "north", "main", "end"])?, 0, "done");
    let mark = world.eyes.mark();
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the card");
    says(&site(&world, "site", &["amnesty", "north"])?, 0, "done");
    says(&site(&world, "site", &["end-fire", "north"])?, 0, "done");

    // The same at the gate's own machine.
    let config = world.path("gate.toml");
    let door = |args: &[&str]| {
        Command::new(program()).arg("door").args(args).args(["--config", &config]).output()
    };
    says(&door(&["mode", "main", "blocked"])?, 0, "done");
    says(&door(&["open", "main"])?, 69, "end that first");
    says(&door(&["mode", "main", "end"])?, 0, "done");
    says(&door(&["mode", "back", "locked"])?, 69, "there are: main");
    settled(&world);
    let mark = world.eyes.mark();
    says(&door(&["open", "main"])?, 0, "done");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay");
    Ok(())
}

/// An envelope by the guard's own key, which a broker doesn't have: each part as a test wants it.
struct Forger {
    key: SecretKey,
    certificate: String,
    seal_to: SealingKey,
    issued_at: WallTime,
    version: u64,
}

impl Forger {
    fn new(world: &World) -> Result<Self> {
        let desk = world.path("desk");
        let text = read_private(&Path::new(&desk).join("operator.key"))?;
        let key = text.lines().find(|line| !line.starts_with('#')).ok_or("no key")?.parse()?;
        let certificate = std::fs::read_to_string(Path::new(&desk).join("operator.cert"))?;
        let keys = GateKeys::read(&Path::new(&world.path("bundle")).join("gate.key"))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let issued_at = WallTime(u64::try_from(now.as_millis())?);
        let (seal_to, certificate) = (keys.public().sealing, certificate.trim().to_owned());
        Ok(Self { key, certificate, seal_to, issued_at, version: issued_at.0 + 10_000 })
    }

    fn envelope(&self, wish: Wish, lives_s: u64) -> Result<Vec<u8>> {
        let (site, gate) = (SITE.parse()?, GATE.parse()?);
        let draft = Draft {
            site: &site,
            gate: &gate,
            seal_to: &self.seal_to,
            purpose: Purpose::Command,
            version: self.version,
            issued_at: self.issued_at,
            expires_at: WallTime::from_secs(self.issued_at.as_secs() + lives_s),
            epoch: 0,
            epoch_key: &Key256::generate(),
            plain: &Request::new(wish, None).to_bytes(),
        };
        seal(&draft, &self.key, &self.certificate).ok_or_else(|| "nothing sealed".into())
    }
}

#[test]
fn a_hostile_broker_gets_nothing_done() -> Outcome {
    let mut world = guarded()?;
    let heard = overhear(&world)?;
    says(&site(&world, "desk", &["open", "north", "main"])?, 0, "done");
    let genuine = heard.recv_timeout(SOON)?;
    let door = Wish::OpenOnce { door: "main".into() };
    settled(&world);
    let start = world.eyes.mark();

    is_refused(&world, "replayed", &genuine, "older");
    let mut altered = genuine.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    is_refused(&world, "altered body", &altered, "bad-signature");
    is_refused(&world, "nonsense", b"open!\n", "malformed");
    is_refused(&world, "too large", &vec![b'x'; 200_000], "malformed");

    let bundle = world.path("south");
    says(&site(&world, "site", &["gate", "add", "south", "--out", &bundle])?, 0, "added");
    let (client, mut connection) = mqtt(world.port(), "south-reader");
    client.subscribe(TOPIC.replace("north", "south"), QoS::AtLeastOnce)?;
    let (sender, south) = sync_channel(4);
    std::thread::spawn(move || {
        let _client = client;
        for event in connection.iter().flatten() {
            if let Event::Incoming(Packet::Publish(m)) = event {
                let _ = sender.try_send(m.payload.to_vec());
            }
        }
    });
    let end = std::time::Instant::now() + SOON;
    let for_south = loop {
        // Until the subscription is there.
        site(&world, "site", &["open", "south", "main", "--wait", "0"])?;
        if let Ok(bytes) = south.recv_timeout(Duration::from_millis(500)) {
            break bytes;
        }
        assert!(std::time::Instant::now() < end, "nothing was sent to south");
    };
    is_refused(&world, "for another gate", &for_south, "not-for-us");

    let forger = Forger::new(&world)?;
    let mode = Wish::SetMode { door: "main".into(), mode: DoorMode::Unlocked, for_s: None };
    is_refused(&world, "a guard sets a mode", &forger.envelope(mode, 60)?, "uncertified");
    is_refused(&world, "meant for an hour", &forger.envelope(door.clone(), 3_600)?, "expired");
    let late = WallTime::from_secs(forger.issued_at.as_secs() - 90);
    let held_back = Forger { issued_at: late, ..Forger::new(&world)? };
    is_refused(&world, "held back", &held_back.envelope(door.clone(), 60)?, "expired");
    let early = WallTime::from_secs(forger.issued_at.as_secs() + 600);
    let ahead = Forger { issued_at: early, ..Forger::new(&world)? };
    is_refused(&world, "not yet", &ahead.envelope(door.clone(), 60)?, "expired");
    // A key of the broker's own, which it certified itself.
    let (root, key) = (SecretKey::generate(), SecretKey::generate());
    let role = eithergate::trust::Role::Office;
    let (from, until) = (WallTime::from_secs(1), WallTime::from_secs(9_999_999_999));
    let certificate =
        Certificate::new(SITE.parse()?, "office".parse()?, key.public(), role, from, until);
    let own = Forger { key, certificate: certificate.issue(&root)?, ..Forger::new(&world)? };
    is_refused(&world, "signed by nobody", &own.envelope(door.clone(), 60)?, "bad-signature");
    for why in ["older", "bad-signature", "malformed", "not-for-us", "uncertified", "expired"] {
        shows(&world, start, "CommandRefused", &[("why", why)]);
    }

    // The last command before a crash is not obeyed after it; nor is one that the broker kept.
    while heard.try_recv().is_ok() {}
    says(&site(&world, "desk", &["open", "north", "main"])?, 0, "done");
    let genuine = heard.recv_timeout(SOON)?;
    settled(&world);
    must(world.crash_gate());
    come_back(&mut world);
    is_refused(&world, "replayed after a restart", &genuine, "older");
    must(world.crash_gate());
    let fresh = Forger::new(&world)?.envelope(door.clone(), 60)?;
    publish(&world, true, &fresh)?;
    let mark = world.eyes.mark();
    must(world.start_gate());
    let kept = |s: &Sight| matches!(s, Sight::Answer(a) if a["why"] == "retained");
    assert!(world.eyes.wait(mark, SOON, kept).is_some(), "{:?}", world.eyes.since(mark));
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "a kept one opened");
    publish(&world, true, b"")?;

    // The guard's own next command is obeyed as ever, and cards never noticed.
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the card");
    says(&site(&world, "desk", &["open", "north", "main"])?, 0, "done");
    assert!(!world.eyes.mentions(&world.secrets()), "a message names a card or a subject");
    Ok(())
}

#[test]
fn a_gate_without_a_trusted_clock_obeys_a_fresh_challenge_alone() -> Outcome {
    let mut world = guarded()?;
    must(world.crash_gate());
    {
        // It has believed a later time once, so it believes none until then.
        let store = app::open_store(Path::new(&world.path("data")))?;
        let writer = store.writer(|_| {});
        let later = br#"{"Floor":{"wall":4102444800000}}"#.to_vec();
        writer.keep(b"\"Floor\"".to_vec(), Some(later), None);
        writer.close();
    }
    come_back(&mut world);
    assert_eq!(world.status().map(|h| h["clock_trusted"].clone()), Some(false.into()));
    let heard = overhear(&world)?;
    let mark = world.eyes.mark();
    says(&site(&world, "desk", &["open", "north", "main"])?, 0, "done");
    let asks = |s: &Sight| matches!(s, Sight::Answer(a) if a["done"] == false && a["challenge"].is_string());
    assert!(
        world.eyes.wait(mark, SOON, asks).is_some(),
        "no challenge: {:?}",
        world.eyes.since(mark)
    );
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay");
    let (first, second) = (heard.recv_timeout(SOON)?, heard.recv_timeout(SOON)?);
    settled(&world);

    // Neither of them opens again, nor one that was held back for an hour.
    is_refused(&world, "the one without a challenge", &first, "older");
    is_refused(&world, "the one with it", &second, "older");
    let hour_ago = Forger::new(&world)?;
    let issued_at = WallTime::from_secs(hour_ago.issued_at.as_secs() - 3_000);
    let hour_ago = Forger { issued_at, ..hour_ago };
    let mark = world.eyes.mark();
    publish(&world, false, &hour_ago.envelope(Wish::OpenOnce { door: "main".into() }, 60)?)?;
    assert!(world.eyes.wait(mark, SOON, asks).is_some(), "no challenge");
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "it opened");
    // Cards go on.
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the card");
    Ok(())
}

#[test]
fn a_visitor_s_pass_is_used_up_and_stays_so_over_a_restart() -> Outcome {
    const VISITOR: (u128, u128) = (123, 9001);
    let mut world = card_gate();
    let card = ["--format", "h10301", "--facility", "123", "--number", "9001"];
    let give = |world: &World| -> Outcome {
        let args = [&["pass", "add"][..], &card, &["--for", "4h", "--uses", "1"]].concat();
        says(&site(world, "site", &args)?, 0, "UNTIL");
        Ok(())
    };
    give(&world)?;
    let mark = world.eyes.mark();
    must(world.publish());
    assert!(world.eyes.wait(mark, SOON, is_applied).is_some(), "the list was not applied");
    let mark = world.eyes.mark();
    must(world.present_card(VISITOR));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the first use");
    must(world.set_contact(true));
    shows(&world, mark, "AccessTaken", &[]);
    must(world.set_contact(false));
    settled(&world);
    for restart in [false, true] {
        if restart {
            must(world.crash_gate());
            come_back(&mut world);
        }
        let mark = world.eyes.mark();
        must(world.present_card(VISITOR));
        shows(&world, mark, "Denied", &[("reason", "CredentialExpired")]);
        assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "a second use");
    }
    // The next visitor gets the same card, and uses of their own.
    give(&world)?;
    let mark = world.eyes.mark();
    must(world.publish());
    assert!(world.eyes.wait(mark, SOON, is_applied).is_some(), "the list was not applied");
    let mark = world.eyes.mark();
    must(world.present_card(VISITOR));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the next visitor");
    says(&site(&world, "site", &["pass", "list"])?, 0, "all");
    assert!(!world.eyes.mentions(&[format!("{}", (123 << 16) + 9001)]), "a message names a card");
    Ok(())
}
