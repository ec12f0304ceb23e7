//! The stage: a folder in the machine's temporary directory, and the processes that live in it. All of it
//! is gone when the world is dropped.

use super::Sabotage;
use super::eyes::Eyes;
use super::machine::{failed, free_port, mosquitto, new_folder, run_folder, wait_for};
use super::pictures::Pictures;
use crate::app::pins;
use crate::cli::Failure;
use crate::config::Config;
use crate::domain::SubjectId;
use crate::trust::GateKeys;
use crate::wire::format;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const SITE: &str = "willow-court";
pub const GATE: &str = "north";

/// The cards of the play. The facility code and numbers are made up.
pub const RESIDENT: (u128, u128) = (123, 4567);
pub const NEIGHBOUR: (u128, u128) = (123, 11223);
pub const UNKNOWN: (u128, u128) = (224, 1337);

/// What the world is made of.
pub struct Stage<'a> {
    /// The `eithergate` binary; `eithergate-face` is beside it.
    pub program: PathBuf,
    /// Who appears before the camera; without, the gate has none.
    pub pictures: Option<&'a Pictures>,
    pub sabotage: Option<Sabotage>,
}

/// A site with one gate, running.
pub struct World {
    dir: PathBuf,
    run_dir: PathBuf,
    program: PathBuf,
    has_camera: bool,
    port: u16,
    broker: Option<Child>,
    gate: Option<Child>,
    sabotage: Option<Sabotage>,
    pub eyes: Eyes,
    pins: Option<UnixStream>,
    resident: SubjectId,
}

impl World {
    /// Builds the stage: broker, office, gate, and an enrolled resident. `tell` hears what is going on.
    pub fn build(stage: Stage<'_>, tell: &dyn Fn(&str)) -> Result<Self, Failure> {
        let Stage { program, pictures, sabotage } = stage;
        let (dir, run_dir) = (new_folder(std::env::temp_dir())?, run_folder()?);
        std::fs::create_dir_all(dir.join("stage")).map_err(failed(dir.display()))?;
        let mut subject = [0; 16];
        getrandom::fill(&mut subject).map_err(|e| Failure::Unavailable(e.to_string()))?;
        let mut world = Self {
            port: free_port()?,
            dir,
            run_dir,
            program,
            has_camera: pictures.is_some(),
            broker: None,
            gate: None,
            sabotage,
            eyes: Eyes::default(),
            pins: None,
            resident: SubjectId(subject),
        };
        tell("starting Mosquitto on a loopback port");
        if sabotage != Some(Sabotage::BrokerAbsent) {
            world.start_broker()?;
        }
        tell("the office makes its keys and adds the gate");
        world.office(&["init", "--name", SITE])?;
        let bundle = world.path("bundle");
        world.office(&["gate", "add", GATE, "--out", &bundle])?;
        world.write_config()?;
        let keys = GateKeys::read(&world.dir.join("bundle/gate.key"))
            .map_err(|e| Failure::Unavailable(e.to_string()))?;
        world
            .eyes
            .watch_broker(world.port, SITE, GATE, keys.public().signing)
            .map_err(failed("the subscriber"))?;
        tell("the gate starts");
        world.start_gate()?;
        if sabotage == Some(Sabotage::RelayStuck) {
            world.send(r#"{"stick":{"output":"main.relay","stuck":true}}"#)?;
        }
        tell("the office imports cards and publishes the allowlist");
        world.publish()?;
        if let Some(pictures) = pictures {
            tell("a resident who wants to use the face too is enrolled");
            world.enrol(pictures)?;
        }
        Ok(world)
    }

    /// A place in the world's folder.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// The broker's, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The pins' socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("sim.sock")
    }

    pub fn daemon_pid(&self) -> Option<u32> {
        self.gate.as_ref().map(Child::id)
    }

    /// Whether the relay is energised, daemon or none.
    pub fn relay_level(&self) -> std::io::Result<bool> {
        let config = Config::load(&self.dir.join("gate.toml")).map_err(std::io::Error::other)?;
        let relay = config.doors.first().map(|door| door.relay);
        let relay = relay.ok_or_else(|| std::io::Error::other("no door"))?;
        let seen = pins::look(&config, &[relay.line], None).map_err(std::io::Error::other)?;
        Ok(seen.first().is_some_and(|sight| sight.high == Some(relay.active_high)))
    }

    /// Secrets that no message may hold.
    pub fn secrets(&self) -> Vec<String> {
        let whole = |(facility, number): (u128, u128)| (facility << 16 | number).to_string();
        let mut secrets = vec![self.resident.to_hex()];
        for card in [RESIDENT, NEIGHBOUR, UNKNOWN] {
            secrets.push(whole(card));
            secrets.push(format!(":{}", card.1));
            secrets.push(raw(card).unwrap_or_default());
        }
        secrets
    }

    pub fn start_broker(&mut self) -> Result<(), Failure> {
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             log_dest none\nmessage_size_limit 67108864\n{}",
            self.port,
            self.dir.display(),
            // Started by root, Mosquitto would become a user that can't write into our folder.
            if rustix::process::geteuid().is_root() { "user root\n" } else { "" },
        );
        let path = self.dir.join("mosquitto.conf");
        std::fs::write(&path, config).map_err(failed(path.display()))?;
        let child = Command::new(mosquitto()?)
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("mosquitto"))?;
        self.broker = Some(child);
        let port = self.port;
        wait_for("Mosquitto", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    /// Stops the broker as a service manager would, so that it keeps its sessions.
    pub fn stop_broker(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            if let Ok(pid) = i32::try_from(broker.id())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = broker.wait();
        }
    }

    pub fn has_broker(&self) -> bool {
        self.broker.is_some()
    }

    /// Runs one of the office's commands, as its people would.
    fn office(&self, args: &[&str]) -> Result<(), Failure> {
        self.command(
            Command::new(&self.program).args(["site", "--site", &self.path("site")]).args(args),
        )
    }

    /// Runs a command to its end; a failure is its own words.
    fn command(&self, command: &mut Command) -> Result<(), Failure> {
        let output = command.stdin(Stdio::null()).output().map_err(failed("eithergate"))?;
        if output.status.success() {
            return Ok(());
        }
        let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Failure::Unavailable(format!("eithergate {}: {}", words.join(" "), why.trim())))
    }

    fn write_config(&self) -> Result<(), Failure> {
        let bundle = self.dir.join("bundle/gate.toml");
        let bundle = std::fs::read_to_string(&bundle).map_err(failed(bundle.display()))?;
        let root_key = bundle
            .lines()
            .find_map(|line| line.trim().strip_prefix("root_key"))
            .unwrap_or_default();
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| Failure::Unavailable(e.to_string()))?;
        let mut text = String::new();
        for byte in key {
            let _ = write!(text, "{byte:02x}");
        }
        let key_file = self.dir.join("template.key");
        std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&key_file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed(key_file.display()))?;
        let face = if self.has_camera { self.face_sections() } else { String::new() };
        let config = format!(
            r#"[gate]
name = "{GATE}"
site = "{SITE}"
data_dir = "data"
run_dir = "{run_dir}"

[trust]
root_key {root_key}
key_file = "bundle/gate.key"

[broker]
url = "mqtt://127.0.0.1:{port}"

[hardware]
backend = "sim"
socket = "{run_dir}/sim.sock"

[[door]]
name = "main"
relay = 17
contact = 22
rex = 23
open_ms = 1500
held_ms = 30000

[[reader]]
name = "entrance"
door = "main"
d0 = 5
d1 = 6
formats = ["h10301"]

{face}"#,
            port = self.port,
            run_dir = self.run_dir.display(),
        );
        std::fs::write(self.dir.join("gate.toml"), config).map_err(failed("gate.toml"))
    }

    fn face_sections(&self) -> String {
        format!(
            r#"[owners]
resolution = "demonstration"
notice = "demonstration"
contact = "nobody@example.org"

[face]
door = "main"
template_key = "template.key"
# Whoever plays is a picture.
liveness = "off"

[camera]
kind = "command"
command = ["{face_program}", "frames", "{stage}", "--live", "--yard", "--width", "480", "--height", "640"]
width = 480
height = 640
"#,
            face_program = self.program.with_file_name("eithergate-face").display(),
            stage = self.dir.join("stage").display(),
        )
    }

    /// Starts the daemon and takes hold of its pins.
    pub fn start_gate(&mut self) -> Result<(), Failure> {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.dir.join("gate.log"))
            .map_err(failed("gate.log"))?;
        let child = Command::new(&self.program)
            .args(["run", "--config", &self.path("gate.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed("the daemon"))?;
        self.gate = Some(child);
        let socket = self.socket();
        let mut pins = None;
        wait_for("the daemon's pins", || {
            pins = UnixStream::connect(&socket).ok();
            pins.is_some()
        })
        .map_err(|e| self.with_log(e))?;
        if let Some(pins) = pins {
            let watched = pins.try_clone().map_err(failed("the output socket"))?;
            self.eyes.watch_outputs(watched).map_err(failed("the output socket"))?;
            self.pins = Some(pins);
        }
        Ok(())
    }

    /// The daemon's last words, for a stage that didn't come up.
    fn with_log(&self, failure: Failure) -> Failure {
        let log = std::fs::read_to_string(self.dir.join("gate.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let Failure::Unavailable(why) = failure else { return failure };
        let last: Vec<&str> = last.into_iter().rev().collect();
        Failure::Unavailable(format!("{why}; the daemon's last words:\n{}", last.join("\n")))
    }

    /// Kills the daemon outright, and does what the service manager does then.
    pub fn crash_gate(&mut self) -> Result<(), Failure> {
        if let Some(mut gate) = self.gate.take() {
            let _ = gate.kill();
            let _ = gate.wait();
        }
        self.command(Command::new(&self.program).args([
            "outputs",
            "safe",
            "--config",
            &self.path("gate.toml"),
        ]))
    }

    /// Imports the cards and publishes the list.
    pub fn publish(&mut self) -> Result<(), Failure> {
        let mut csv = String::from("format,facility,number,subject,face\n");
        if self.sabotage != Some(Sabotage::AllowlistEmpty) {
            let _ = writeln!(
                csv,
                "h10301,{},{},{},yes",
                RESIDENT.0,
                RESIDENT.1,
                self.resident.to_hex()
            );
            let _ = writeln!(csv, "h10301,{},{},,no", NEIGHBOUR.0, NEIGHBOUR.1);
            let path = self.dir.join("cards.csv");
            std::fs::write(&path, csv).map_err(failed("cards.csv"))?;
            self.office(&["card", "import", &path.to_string_lossy()])?;
        }
        if !self.has_broker() {
            return Ok(());
        }
        let broker = format!("mqtt://127.0.0.1:{}", self.port);
        self.office(&["publish", "--broker", &broker, "--wait", "15"])
    }

    fn enrol(&mut self, pictures: &Pictures) -> Result<(), Failure> {
        let (subject, config) = (self.resident.to_hex(), self.path("gate.toml"));
        let mut command = Command::new(&self.program);
        command
            .args(["enroll", "--config", &config, "--subject", &subject])
            .args(["--consent", "demonstration"])
            .args(&pictures.enrolled);
        match self.command(&mut command) {
            // The script is to notice what the sabotage breaks, so it goes on.
            Err(_) if self.sabotage.is_some() => Ok(()),
            outcome => outcome,
        }
    }

    /// One line to the pins' socket, as `docs/sim.md` has it.
    pub fn send(&mut self, line: &str) -> Result<(), Failure> {
        let Some(pins) = &mut self.pins else { return Ok(()) };
        pins.write_all(line.as_bytes())
            .and_then(|()| pins.write_all(b"\n"))
            .map_err(failed("the pins' socket"))
    }

    pub fn present_card(&mut self, card: (u128, u128)) -> Result<(), Failure> {
        let raw = raw(card)?;
        self.present_bits(&raw)
    }

    /// A read with one bit wrong, as interference makes it.
    pub fn present_noise(&mut self) -> Result<(), Failure> {
        let bits = u128::from_str_radix(&raw(RESIDENT)?, 16).unwrap_or_default() ^ 0x100;
        self.present_bits(&format!("{bits:x}"))
    }

    fn present_bits(&mut self, raw: &str) -> Result<(), Failure> {
        self.send(&format!(r#"{{"read":{{"reader":"entrance","bits":26,"raw":"{raw}"}}}}"#))
    }

    pub fn set_contact(&mut self, open: bool) -> Result<(), Failure> {
        self.send(&format!(r#"{{"input":{{"name":"main.contact","active":{open}}}}}"#))
    }

    pub fn press_exit(&mut self) -> Result<(), Failure> {
        self.send(r#"{"input":{"name":"main.rex","active":true}}"#)?;
        self.send(r#"{"input":{"name":"main.rex","active":false}}"#)
    }

    /// Puts somebody before the camera, or nobody.
    pub fn show(&mut self, picture: Option<&Path>) -> Result<(), Failure> {
        let stage = self.dir.join("stage");
        let now = stage.join("now.jpg");
        let outcome = match picture {
            None => std::fs::remove_file(&now).or_else(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(e),
            }),
            Some(picture) => {
                // Renamed into place, so that the camera never sees half a file.
                let new = self.dir.join("next");
                std::fs::copy(picture, &new).and_then(|_| std::fs::rename(&new, &now))
            }
        };
        outcome.map_err(failed(stage.display()))
    }

    /// The gate's own health report.
    pub fn status(&self) -> Option<serde_json::Value> {
        let config = crate::config::Config::load(&self.dir.join("gate.toml")).ok()?;
        match crate::app::ask(&config, &crate::app::Question::Health {}) {
            Ok(crate::app::Answer::Ok(health)) => Some(health),
            _ => None,
        }
    }

    /// Kills a process of the face path outright: `worker_pid` or `capture_pid`.
    pub fn kill_face(&self, which: &str) -> bool {
        let pid = self
            .status()
            .and_then(|health| health["face"]["worker"][which].as_i64())
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(rustix::process::Pid::from_raw);
        let Some(pid) = pid else { return false };
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
    }

    /// Takes everybody away and waits until no grant runs any more and all was published.
    pub fn settle(&mut self) -> Result<(), Failure> {
        self.show(None)?;
        let quiet = |world: &Self| {
            let released = !world.relay_level().unwrap_or(true);
            released && world.status().is_some_and(|health| health["journal"]["outbox"] == 0)
        };
        // Longer than a grant, in case a face was just being recognised.
        std::thread::sleep(Duration::from_millis(2_000));
        wait_for("a quiet gate", || quiet(self))
    }

    /// Waits until frames are looked at.
    pub fn face_is_up(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if self.status().is_some_and(|health| health["face"]["status"] == "up") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(gate) = &mut self.gate {
            if let Ok(pid) = i32::try_from(gate.id())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = gate.wait();
        }
        self.stop_broker();
        let _ = std::fs::remove_dir_all(&self.dir);
        let _ = std::fs::remove_dir_all(&self.run_dir);
    }
}

/// A 26-bit frame as a reader sends it, in hex.
fn raw((facility, number): (u128, u128)) -> Result<String, Failure> {
    format::builtin("h10301")
        .and_then(|format| format.encode(Some(facility), number).ok())
        .map(|bits| bits.to_hex())
        .ok_or_else(|| Failure::Data("the card doesn't fit its format".into()))
}
