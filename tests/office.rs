//! The office's commands as a person runs them: the real binary, and a real Mosquitto on a loopback port.

use eithergate::allowlist::Allowlist;
use eithergate::domain::{CardNumber, Directory, WallTime};
use eithergate::site::{Broker, Session};
use eithergate::trust::{Expectation, GateKeys, signed_json};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

type Outcome = Result<(), Box<dyn Error>>;

const CARDS: &str = "format,facility,number,face\nh10301,123,4567,yes\nh10301,123,4568,no\n";

/// A directory with a site in it and the command line at hand.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { dir: tempfile::tempdir()? })
    }

    /// A site with gate `north` and two cards.
    fn furnished() -> Result<Self, Box<dyn Error>> {
        let desk = Self::new()?;
        desk.must(&["init", "--name", "garden", "--utc-offset", "+08:00"])?;
        desk.must(&["gate", "add", "north", "--out", "north-bundle"])?;
        fs::write(desk.path().join("cards.csv"), CARDS)?;
        desk.must(&["card", "import", "cards.csv"])?;
        Ok(desk)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eithergate"));
        command.arg("site").args(args).current_dir(self.path()).env_remove("EITHERGATE_SITE");
        command
    }

    fn run(&self, args: &[&str]) -> Result<Output, Box<dyn Error>> {
        Ok(self.command(args).output()?)
    }

    /// Runs a command that has to succeed, and gives what it printed.
    fn must(&self, args: &[&str]) -> Result<String, Box<dyn Error>> {
        let output = self.run(args)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("{args:?}: {}: {said}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that has to fail, and gives its exit code and its error.
    fn refused(&self, args: &[&str]) -> Result<(Option<i32>, String), Box<dyn Error>> {
        let output = self.run(args)?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    }

    /// What the installer brings to the gate.
    fn gate(&self) -> Result<(Expectation, GateKeys), Box<dyn Error>> {
        let bundle = self.path().join("north-bundle");
        let snippet: toml::Table = fs::read_to_string(bundle.join("gate.toml"))?.parse()?;
        let root = snippet["trust"]["root_key"].as_str().ok_or("no root key")?.parse()?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let now = Some(WallTime::from_secs(now.as_secs()));
        let expected = Expectation { site: "garden".parse()?, gate: "north".parse()?, root, now };
        Ok((expected, GateKeys::read(&bundle.join("gate.key"))?))
    }

    fn opens(&self, envelope: &[u8]) -> Result<Allowlist, Box<dyn Error>> {
        let (expected, keys) = self.gate()?;
        let list = Allowlist::open(envelope, &keys, &expected, None);
        let list = list.map_err(|why| format!("{why:?}"))?;
        let card: CardNumber = format!("h10301:{}", (123 << 16) + 4567).parse()?;
        assert!(list.card(&card).is_some_and(|right| right.ways.face));
        assert_eq!(list.card(&"h10301:1".parse()?), None);
        assert_eq!((list.subjects(), list.cards()), (2, 2));
        Ok(list)
    }
}

/// A Mosquitto of its own; it ends with the test, whatever becomes of it.
struct Mosquitto {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None`, said plainly, where Mosquitto is not installed.
fn mosquitto() -> Result<Option<Mosquitto>, Box<dyn Error>> {
    let places =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
        eprintln!("LEFT OUT: mosquitto is not installed; `make setup` brings it");
        return Ok(None);
    };
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = dir.path().join("mosquitto.conf");
    fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n"))?;
    let child = Command::new(program)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let broker = Mosquitto { child, url: format!("mqtt://127.0.0.1:{port}"), _dir: dir };
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            return Err("mosquitto does not listen".into());
        }
        std::thread::yield_now();
    }
    Ok(Some(broker))
}

#[test]
fn from_nothing_to_an_envelope_that_the_gate_opens() -> Outcome {
    let desk = Desk::furnished()?;
    let said = desk.must(&["publish", "--out", "north.allowlist"])?;
    assert!(said.starts_with("north") && said.contains("2 subjects, 2 cards"), "{said}");
    desk.opens(&fs::read(desk.path().join("north.allowlist"))?)?;
    let (code, why) = desk.refused(&["publish", "--out", "north.allowlist"])?;
    assert_eq!(code, Some(64), "{why}");

    let status: serde_json::Value = serde_json::from_str(&desk.must(&["status", "--json"])?)?;
    assert_eq!((&status["cards"], &status["root_key_offline"]), (&2.into(), &false.into()));
    assert!(desk.must(&["status"])?.contains("shred -u"));
    Ok(())
}

#[test]
fn a_lost_card_is_taken_away_unless_a_face_alone_would_be_left() -> Outcome {
    let desk = Desk::furnished()?;
    let remove = ["card", "remove", "--format", "h10301", "--facility", "123", "--number"];
    let with = |number| [&remove[..], &[number]].concat();
    desk.must(&with("4568"))?;
    let (code, why) = desk.refused(&with("4568"))?;
    assert_eq!((code, why.contains("no subject here")), (Some(65), true), "{why}");
    let (code, why) = desk.refused(&with("4567"))?;
    assert_eq!((code, why.contains("face = no")), (Some(65), true), "{why}");
    let status: serde_json::Value = serde_json::from_str(&desk.must(&["status", "--json"])?)?;
    assert_eq!(status["cards"], 1);
    Ok(())
}

#[test]
fn refusals_name_the_thing_and_have_their_exit_codes() -> Outcome {
    let desk = Desk::new()?;
    let (code, why) = desk.refused(&["status"])?;
    assert_eq!((code, why.contains("site init")), (Some(66), true), "{why}");
    desk.must(&["init", "--name", "garden"])?;
    let (code, why) = desk.refused(&["init", "--name", "garden"])?;
    assert_eq!((code, why.contains("not empty")), (Some(64), true), "{why}");
    let (code, _) = desk.refused(&["init", "--name", "No Name"])?;
    assert_eq!(code, Some(64));
    let (code, _) = desk.refused(&["publish"])?;
    assert_eq!(code, Some(64), "neither --broker nor --out");
    let (code, _) = desk.refused(&["card", "import", "absent.csv"])?;
    assert_eq!(code, Some(66));

    fs::write(desk.path().join("people.csv"), "format,number,手机\nh10302,1,13800138000\n")?;
    let (code, why) = desk.refused(&["card", "import", "people.csv"])?;
    assert_eq!((code, why.contains("people.csv: column 3 (手机)")), (Some(65), true), "{why}");
    fs::write(desk.path().join("bad.csv"), "format,number\nh10302,1\nh10302,x\nh10302,y\n")?;
    let (code, why) = desk.refused(&["card", "import", "bad.csv"])?;
    assert_eq!(code, Some(65), "{why}");
    assert!(why.contains("line 3: number") && why.contains("line 4: number"), "{why}");
    assert!(!why.contains("line 2"), "{why}");

    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    desk.must(&["gate", "add", "north", "--out", "north-bundle"])?;
    let (code, why) =
        desk.refused(&["publish", "--broker", &format!("mqtt://127.0.0.1:{nobody}")])?;
    assert_eq!((code, why.contains("is the broker running")), (Some(69), true), "{why}");
    Ok(())
}

#[test]
fn through_a_broker_to_the_gate_and_its_answer_back() -> Outcome {
    let Some(broker) = mosquitto()? else { return Ok(()) };
    let desk = Desk::furnished()?;
    // Retained: the gate connects only after the office has gone.
    desk.must(&["publish", "--broker", &broker.url])?;
    let address: Broker = broker.url.parse()?;
    let mut gate = Session::connect(&address)?;
    gate.subscribe("eithergate/v1/garden/north/allowlist")?;
    let first = gate.next(Duration::from_secs(10))?.ok_or("no allowlist came")?;
    let first = desk.opens(&first.payload)?;

    // The gate answers the second one, and the office waits for that.
    let mut office = desk
        .command(&["publish", "--broker", &broker.url, "--wait", "20"])
        .stdout(Stdio::piped())
        .spawn()?;
    let second = gate.next(Duration::from_secs(10))?.ok_or("no second allowlist came")?;
    let second = desk.opens(&second.payload)?;
    assert!(second.version() > first.version());
    let (_, keys) = desk.gate()?;
    let topic = "eithergate/v1/garden/north/ack";
    let ack = |version: u64| {
        let object = format!(
            r#"{{"v":1,"gate":"north","what":"allowlist","version":{version},"applied":true}}"#
        );
        signed_json::sign(topic, &object, keys.signing()).map(String::into_bytes)
    };
    // An answer to an older list is not taken for this one.
    gate.publish(topic, true, ack(first.version())?)?;
    gate.publish(topic, true, ack(second.version())?)?;
    assert!(office.wait()?.success());
    let mut said = String::new();
    for line in BufReader::new(office.stdout.take().ok_or("no output")?).lines() {
        said.push_str(&line?);
        said.push('\n');
    }
    assert!(said.contains("north         applied"), "{said}");
    // Nobody answers the third.
    let output = desk.run(&["publish", "--broker", &broker.url, "--wait", "1"])?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[test]
fn a_list_larger_than_the_client_s_default_packet_goes_through() -> Outcome {
    let Some(broker) = mosquitto()? else { return Ok(()) };
    let desk = Desk::furnished()?;
    let mut csv = String::from("format,facility,number\n");
    for n in 0..20_000 {
        csv.push_str(&format!("h10306,7,{n}\n"));
    }
    fs::write(desk.path().join("many.csv"), csv)?;
    desk.must(&["card", "import", "many.csv"])?;
    desk.must(&["publish", "--broker", &broker.url])?;
    // Read back with another client than the one that sent it.
    let port = broker.url.rsplit(':').next().ok_or("no port")?.to_owned();
    let output = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &port, "-C", "1", "-W", "10", "-N"])
        .args(["-t", "eithergate/v1/garden/north/allowlist"])
        .output();
    let Ok(output) = output else {
        eprintln!("LEFT OUT: mosquitto_sub is not installed; `make setup` brings it");
        return Ok(());
    };
    let (expected, keys) = desk.gate()?;
    let list = Allowlist::open(&output.stdout, &keys, &expected, None);
    assert_eq!(list.map(|list| list.cards()), Ok(20_002));
    Ok(())
}

#[test]
fn watch_shows_signed_events_once() -> Outcome {
    let Some(broker) = mosquitto()? else { return Ok(()) };
    let desk = Desk::furnished()?;
    let mut watch = desk
        .command(&["watch", "--json", "--broker", &broker.url, "--seconds", "30"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = BufReader::new(watch.stdout.take().ok_or("no output")?).lines();
    let (_, keys) = desk.gate()?;
    let topic = "eithergate/v1/garden/north/event";
    let event = |seq: u64| {
        format!(
            r#"{{"v":1,"gate":"north","epoch":"0a","seq":{seq},"t":null,"kind":"AccessGranted","door":0,"way":"card"}}"#
        )
    };
    let signed = |seq: u64| signed_json::sign(topic, &event(seq), keys.signing());
    let address: Broker = broker.url.parse()?;
    let mut gate = Session::connect(&address)?;
    let end = Instant::now() + Duration::from_secs(20);
    let reader = std::thread::spawn(move || -> Vec<String> {
        lines.map_while(Result::ok).take(3).collect()
    });
    // Sent again and again, since the watcher may not have subscribed yet: each is to be shown once.
    while !reader.is_finished() && Instant::now() < end {
        gate.publish(topic, false, event(9).into_bytes())?;
        for seq in [1, 1, 2, 3] {
            gate.publish(topic, false, signed(seq)?.into_bytes())?;
        }
    }
    let _ = watch.kill();
    let _ = watch.wait();
    let mut shown = reader.join().map_err(|_| "the reader ended badly")?;
    shown.sort();
    assert_eq!(shown, [event(1), event(2), event(3)]);
    Ok(())
}
