//! The reader side with the real daemon, a real broker, and simulated pins: an installer who listens, a card
//! with its PIN, lights, a reader that is opened.

mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{RESIDENT, World};
use serde_json::{Value, json};
use stage::{Outcome, SOON, card_gate, is_applied, must, program};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(600);

/// The resident's card as it comes over the wires, and with both wires exchanged.
const FRAME: &str = "2f623ae";
const EXCHANGED: &str = "109dc51";

fn relay(sight: &Sight, on: bool) -> bool {
    matches!(sight, Sight::Output { name, active } if name == "main.relay" && *active == on)
}

/// The simulated pins, from outside.
struct Pins(BufReader<UnixStream>);

impl Pins {
    fn of(world: &World) -> std::io::Result<Self> {
        let stream = UnixStream::connect(world.socket())?;
        stream.set_read_timeout(Some(SOON))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, request: Value) -> std::io::Result<()> {
        writeln!(self.0.get_mut(), "{request}")
    }

    fn frame(&mut self, bits: u8, raw: &str) -> std::io::Result<()> {
        let read = json!({"reader": "entrance", "bits": bits, "raw": raw, "interval_us": 1_000});
        self.send(json!({ "read": read }))
    }

    /// Types at a keypad that sends four bits a key.
    fn keys(&mut self, keys: &str) -> std::io::Result<()> {
        for key in keys.chars() {
            let code = match key {
                '*' => "a".to_owned(),
                '#' => "b".to_owned(),
                digit => digit.to_string(),
            };
            self.frame(4, &code)?;
            self.until(|notice| notice["first_us"].is_u64())?;
            // A keypad sends a key a time, and a person needs longer still.
            std::thread::sleep(Duration::from_millis(60));
        }
        Ok(())
    }

    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> std::io::Result<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other("the pins are gone"));
            }
            let notice: Value = serde_json::from_str(&line)?;
            if wanted(&notice) {
                return Ok(notice);
            }
        }
    }
}

struct Listener {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Held open, so that it can say what it wants.
    _err: BufReader<ChildStderr>,
}

impl Listener {
    fn start(world: &World, args: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        // The gate needs a moment to see that the last listener is gone.
        for _ in 0..50 {
            match Self::try_start(world, args)? {
                Some(listener) => return Ok(listener),
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Err("somebody else listens".into())
    }

    fn try_start(world: &World, args: &[&str]) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let mut child = Command::new(program())
            .args(["listen", "--json", "--seconds", "60", "--config", &world.path("gate.toml")])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // It says on stderr when it hears.
        let mut told = String::new();
        let mut err = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        err.read_line(&mut told)?;
        if told.contains("somebody listens already") {
            child.wait()?;
            return Ok(None);
        }
        assert!(told.starts_with("Listening"), "{told}");
        let out = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Some(Self { child, out, _err: err }))
    }

    fn next(&mut self) -> Result<Value, Box<dyn std::error::Error>> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_installer_who_listens_sees_what_arrives_and_cards_open_as_usual() -> Outcome {
    let mut world = card_gate();
    let mark = world.eyes.mark();
    let mut listener = Listener::start(&world, &[])?;
    let recorded = |s: &Sight| s.is_event("ReadersListened", &[]);
    assert!(
        world.eyes.wait(mark, SOON, recorded).is_some(),
        "nobody is told that somebody listens"
    );
    // One at a time.
    let second = Command::new(program())
        .args(["listen", "--seconds", "5", "--config", &world.path("gate.toml")])
        .output()?;
    assert_eq!(second.status.code(), Some(69), "{}", String::from_utf8_lossy(&second.stderr));

    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| relay(s, true)).is_some(), "it doesn't open");
    let heard = listener.next()?;
    assert_eq!((&heard["reader"], &heard["bits"]), (&"entrance".into(), &26.into()));
    assert_eq!(heard["raw"], FRAME);
    let candidate = &heard["candidates"][0];
    assert_eq!((&candidate["format"], &candidate["number"]), (&"h10301".into(), &4567.into()));
    assert_eq!(candidate["notations"]["3+5"], "123,04567");

    let mut pins = Pins::of(&world)?;
    pins.frame(26, EXCHANGED)?;
    let heard = listener.next()?;
    assert_eq!(heard["fault"], "swapped", "{heard}");
    assert!(heard["remedy"].to_string().contains("exchange D0 and D1"), "{heard}");
    // A length that this reader is not configured for.
    pins.until(|notice| notice["first_us"].is_u64())?;
    std::thread::sleep(QUIET);
    pins.frame(34, "8a640910")?;
    let heard = listener.next()?;
    assert_eq!(heard["bits"], 34, "{heard}");
    drop(listener);

    let log = std::fs::read_to_string(world.path("gate.log"))?;
    for secret in world.secrets().iter().filter(|secret| secret.len() > 5) {
        assert!(!log.contains(secret.as_str()), "the log has a card's number");
    }
    assert!(!world.eyes.mentions(&world.secrets()), "a message names a card or a subject");

    // And without a gate: the readers are listened to themselves, and nothing opens.
    must(world.crash_gate());
    let mut listener = Listener::start(&world, &["--reader", "entrance"])?;
    let mut pins = None;
    let end = std::time::Instant::now() + SOON;
    while pins.is_none() && std::time::Instant::now() < end {
        pins = Pins::of(&world).ok();
        std::thread::sleep(Duration::from_millis(20));
    }
    pins.ok_or("no pins")?.frame(26, FRAME)?;
    assert_eq!(listener.next()?["raw"], FRAME);
    assert!(!world.relay_level()?);
    Ok(())
}

#[test]
fn a_card_waits_for_its_pin_lights_tell_and_an_opened_reader_is_an_alarm() -> Outcome {
    let mut world = card_gate();
    must(world.crash_gate());
    let config = world.path("gate.toml");
    let options = "d1 = 6\nkeypad = 4\npin = \"required\"\npin_ms = 3000\nled_green = 26\n\
                   led_red = 27\ntamper = 25\n";
    let text = std::fs::read_to_string(&config)?.replace("d1 = 6\n", options);
    std::fs::write(&config, text)?;
    let mark = world.eyes.mark();
    must(world.start_gate());
    let cards = world.path("pins.csv");
    std::fs::write(&cards, "format,facility,number,pin\nh10301,123,4567,0407\n")?;
    let site = world.path("site");
    let import = Command::new(program())
        .args(["site", "--site", &site, "card", "import", &cards])
        .output()?;
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let url = format!("mqtt://127.0.0.1:{}", world.port());
    let publish = Command::new(program())
        .args(["site", "--site", &site, "publish", "--broker", &url, "--wait", "20"])
        .output()?;
    assert!(publish.status.success(), "{}", String::from_utf8_lossy(&publish.stderr));
    assert!(world.eyes.wait(mark, SOON, is_applied).is_some());

    let mut pins = Pins::of(&world)?;
    let lit = |name: &'static str| {
        move |notice: &Value| notice["output"] == name && notice["active"] == true
    };
    let mark = world.eyes.mark();
    pins.frame(26, FRAME)?;
    pins.until(lit("entrance.led_green"))?;
    assert!(world.eyes.wait(mark, QUIET, |s| relay(s, true)).is_none(), "no PIN yet");
    pins.keys("0407#")?;
    assert!(world.eyes.wait(mark, SOON, |s| relay(s, true)).is_some(), "the PIN is right");
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card")]);
    assert!(world.eyes.wait(mark, SOON, granted).is_some());
    assert!(world.eyes.wait(mark, SOON, |s| relay(s, false)).is_some());

    let refused = |s: &Sight| s.is_event("Denied", &[("reason", "InvalidPIN")]);
    for keys in ["0408#", ""] {
        let mark = world.eyes.mark();
        pins.frame(26, FRAME)?;
        std::thread::sleep(Duration::from_millis(100));
        pins.keys(keys)?;
        assert!(world.eyes.wait(mark, SOON, refused).is_some(), "{keys:?} was not refused");
        pins.until(lit("entrance.led_red"))?;
        assert!(world.eyes.wait(mark, QUIET, |s| relay(s, true)).is_none(), "{keys:?} opened");
    }
    let log = std::fs::read_to_string(world.path("gate.log"))?;
    assert!(!log.contains("0407") && !log.contains("0408"), "the log has a PIN");

    // Whoever listens sees that keys come, and which only on request.
    for (options, shown) in
        [(&[][..], ["\u{2022}", "\u{2022}"]), (&["--show-keys"][..], ["0", "4"])]
    {
        let mut listener = Listener::start(&world, options)?;
        pins.keys("04")?;
        for key in shown {
            let heard = listener.next()?;
            assert_eq!((&heard["key"], &heard["raw"]), (&key.into(), &Value::Null), "{heard}");
        }
    }

    let mark = world.eyes.mark();
    let alarm = |kind: &'static str| {
        move |s: &Sight| s.is_event(kind, &[("alarm", "tamper"), ("reader", "entrance")])
    };
    pins.send(json!({"input": {"name": "entrance.tamper", "active": true}}))?;
    assert!(world.eyes.wait(mark, SOON, alarm("AlarmRaised")).is_some(), "nobody is told");
    let state = || Some(world.status()?["readers"][0]["state"].as_str()?.to_owned());
    assert_eq!(state().as_deref(), Some("tampered"));
    pins.send(json!({"input": {"name": "entrance.tamper", "active": false}}))?;
    assert!(world.eyes.wait(mark, SOON, alarm("AlarmCleared")).is_some(), "it stays");
    assert_eq!(state().as_deref(), Some("up"));
    Ok(())
}
