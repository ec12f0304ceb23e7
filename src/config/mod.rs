//! The configuration file: a mirror of the TOML (`raw`), checked into a [`Config`] with every mistake
//! reported at once. Never opens a device, and reads no file but the one it is given.
//!
//! `config/eithergate.toml` is the example a person reads; a test keeps it valid.

mod parse;
mod raw;

pub(crate) use parse::reset_pull;
pub use raw::Mistake;

use crate::access;
use crate::domain::{
    Assurance, Bias, CardNumber, DoorId, Duration, GateId, Heading, PortSettings, ReaderId, SiteId,
};
use crate::trust::PublicKey;
use crate::wire::card::{View, serial_bits};
use crate::wire::format::Format;
use crate::wire::keypad::Keypad;
use crate::wire::serial::Framing;
use std::path::{Path, PathBuf};

/// A configuration that makes sense.
#[derive(Clone, Debug)]
pub struct Config {
    pub gate: GateId,
    pub site: SiteId,
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    pub trust: Trust,
    pub broker: Option<Broker>,
    pub hardware: Hardware,
    /// RS-485 buses of OSDP readers.
    pub buses: Vec<Bus>,
    pub doors: Vec<Door>,
    pub readers: Vec<Reader>,
    pub fire: Option<Input>,
    pub face: Option<Face>,
    pub untrusted_clock: access::UntrustedClock,
    /// Events kept on disk.
    pub journal_events: u64,
}

/// Whom this gate obeys, and who it is.
#[derive(Clone, Debug)]
pub struct Trust {
    pub root_key: PublicKey,
    /// The gate's own secret keys, a file only the gate's user may read.
    pub key_file: PathBuf,
}

/// The central MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub ca_file: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
}

/// Where pins come from, and on what board they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    pub backend: Backend,
    /// `None` to find out.
    pub board: Option<Board>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's GPIO chip with this path, name or label.
    Gpiochip { chip: String },
    /// A Raspberry Pi's own.
    Rppal,
    /// Simulated pins behind a Unix socket, for demonstration and tests. `keep` says whether a line keeps its
    /// level when the process that drove it is gone.
    #[cfg(feature = "sim")]
    Sim { socket: PathBuf, keep: bool },
}

/// What is known about how a board treats its lines before anybody drives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// GPIO0 to 8 are pulled up, the others down (BCM2835 ARM Peripherals, table 6-31; the same on all later ones).
    RaspberryPi,
    Other,
}

impl Board {
    /// Whether a line is pulled high; `None` where that isn't known.
    pub fn pulled_high(self, line: u32) -> Option<bool> {
        match self {
            Self::RaspberryPi => Some(line <= 8),
            Self::Other => None,
        }
    }
}

/// An input line that is a switch: a contact, a button, an alarm loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    pub line: u32,
    /// The electrical level that means "active" (open, pressed, fire).
    pub active_high: bool,
    pub bias: Bias,
    /// A level counts once it has lasted this long.
    pub debounce: Duration,
}

/// An output line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    pub line: u32,
    /// The electrical level that energises what hangs on it.
    pub active_high: bool,
    /// What it is left in while nobody decides: before the start, after the end, after a crash.
    pub safe_energised: bool,
    /// The board may pull it to its energised level while it boots: somebody has thought about it.
    pub allow_reset_pull: bool,
}

impl Output {
    /// Whether the board's own pull energises it between power-up and the start of this program. The weak
    /// pull-down of the lines above can't energise what is active low, as its input is pulled up by more.
    pub fn energised_at_reset(self, board: Board) -> bool {
        self.active_high && !self.allow_reset_pull && board.pulled_high(self.line) == Some(true)
    }

    /// Whether the board pulls it, weakly, towards the level that energises: most relay boards with an
    /// active-low input pull that up by more, some don't.
    pub fn leans_energised_at_reset(self, board: Board) -> bool {
        !self.active_high && !self.allow_reset_pull && board.pulled_high(self.line) == Some(false)
    }

    /// The electrical level for a state.
    pub fn level(self, energised: bool) -> bool {
        energised == self.active_high
    }

    pub fn safe_level(self) -> bool {
        self.level(self.safe_energised)
    }
}

#[derive(Clone, Debug)]
pub struct Door {
    pub name: String,
    pub kind: access::DoorKind,
    pub drive: access::Drive,
    /// Energised to open, whatever the lock: one that current holds shut hangs on the relay's NC contact. A
    /// turnstile's for coming in.
    pub relay: Output,
    /// A turnstile's for leaving; it always has one.
    pub relay_out: Option<Output>,
    /// A turnstile's for ending a passage that nobody has begun.
    pub stop: Option<Output>,
    pub warning: Option<Warning>,
    pub contact: Option<Input>,
    pub rex: Option<Input>,
    /// A turnstile's contacts for having come in and having left.
    pub passed: Option<[Input; 2]>,
    /// Beams across the passage, the outer one first.
    pub beams: Option<[Input; 2]>,
    pub open: Duration,
    pub held_after: Duration,
    pub relock_on_open: bool,
    /// Readers of less open nothing here.
    pub assurance: Assurance,
}

/// Sounds at a door before it has been open too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    pub output: Output,
    /// How long before.
    pub before: Duration,
}

#[derive(Clone, Debug)]
pub struct Reader {
    pub name: String,
    pub door: DoorId,
    /// `Out` for one inside: whoever shows a card there is leaving.
    pub heading: Heading,
    pub link: Link,
    /// How far it is trusted: by its link, unless told otherwise.
    pub assurance: Assurance,
    /// What this reader may send.
    pub formats: Vec<Format>,
    /// How it presents cards' serials; `None` if what it sends is what is enrolled.
    pub view: Option<View>,
    /// A contact that tells when the reader is opened or taken off the wall.
    pub tamper: Option<Input>,
    pub lamps: LampLines,
    /// A card wants its PIN as well.
    pub pin: Option<access::PinOptions>,
}

/// The wires of a reader's own lights and buzzer, where they are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LampLines {
    pub green: Option<Output>,
    pub red: Option<Output>,
    pub buzzer: Option<Output>,
}

impl Reader {
    /// What a read is looked up by: the part of the card's serial that this reader's view tells, or the
    /// number as it came if there is no view or it has too few bits for it.
    pub fn looked_up(&self, card: CardNumber) -> CardNumber {
        let format = self.formats.iter().find(|format| format.name() == card.format());
        let framed = match &self.link {
            Link::Serial(serial) => serial.framing.framing.data_bits(),
            _ => None,
        };
        let kind = serial_bits(card.format().as_str());
        let bits = format.map(Format::data_bits).or(framed).or(kind);
        let seen = self.view.zip(bits).and_then(|(view, bits)| view.arrived(card.number(), bits));
        seen.unwrap_or(card)
    }
}

/// How a reader is connected.
#[derive(Clone, Debug)]
pub enum Link {
    Wiegand(Wiegand),
    Serial(Serial),
    Osdp(Osdp),
}

impl Link {
    /// What kind of reader this is, as in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Wiegand(_) => "wiegand",
            Self::Serial(_) => "serial",
            Self::Osdp(_) => "osdp",
        }
    }

    /// Whether PINs can be typed at it.
    pub fn has_keypad(&self) -> bool {
        match self {
            Self::Wiegand(lines) => lines.keypad.is_some(),
            Self::Serial(_) => false,
            // It says so itself, later.
            Self::Osdp(_) => true,
        }
    }
}

/// An RS-485 bus with OSDP readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    pub name: String,
    pub port: PortSettings,
}

/// A reader's place on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Osdp {
    /// Its place in [`Config::buses`].
    pub bus: usize,
    /// 0 to 126, each once on a bus.
    pub address: u8,
    /// It may talk in the clear, because the configuration says so by name.
    pub low: bool,
}

/// The lines of a Wiegand reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wiegand {
    pub d0: u32,
    pub d1: u32,
    pub bias: Bias,
    /// How its keypad sends keys, if it has one.
    pub keypad: Option<Keypad>,
}

/// A reader that shouts its number on a serial port of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    pub port: PortSettings,
    pub framing: NamedFraming,
}

/// What a serial reader puts around its number: a preset, or a `[[framing]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFraming {
    pub name: String,
    pub framing: Framing,
}

/// The face path. A gate has one only beside a card path.
#[derive(Clone, Debug)]
pub struct Face {
    pub door: DoorId,
    /// 32 bytes as hex, a file only the gate's user may read.
    pub template_key: PathBuf,
    /// The folder of model manifests; `None` for where this program is installed.
    pub models: Option<PathBuf>,
    /// The embedding's manifest, a file in `models`.
    pub embedding: String,
    pub threads: u8,
    /// A program and its arguments that writes raw YUV420 frames to its standard output.
    pub capture: Vec<String>,
    pub width: u32,
    pub height: u32,
    pub max_age: Duration,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "{path}: {cause}: name a configuration with --config, or start from the example config/eithergate.toml"
    )]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{path}: {} to mend:\n{}", count(.mistakes), list(.path, .mistakes))]
    Wrong { path: PathBuf, mistakes: Vec<Mistake> },
}

fn count(mistakes: &[Mistake]) -> String {
    match mistakes.len() {
        1 => "1 mistake".into(),
        n => format!("{n} mistakes"),
    }
}

fn list(path: &Path, mistakes: &[Mistake]) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    mistakes.iter().map(|m| format!("  {name}:{m}")).collect::<Vec<_>>().join("\n")
}

/// In `config/eithergate.toml`: RFC 8032's first test key, whose secret half is printed there.
const EXAMPLE_ROOT_KEY: &str = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// A configuration of a megabyte is no configuration.
const MAX_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |cause| ConfigError::Read { path: path.into(), cause };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_BYTES {
        return Err(failed(std::io::Error::other("larger than 1 MB")));
    }
    std::fs::read_to_string(path).map_err(failed)
}

impl Config {
    /// Reads and checks a file. Relative paths in it are taken from its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder)
            .map_err(|mistakes| ConfigError::Wrong { path: path.into(), mistakes })
    }

    /// The `[[framing]]` sections alone, of a file that may be no whole configuration.
    pub fn framings(path: &Path) -> Result<Vec<NamedFraming>, ConfigError> {
        parse::framings(&read(path)?)
            .map_err(|mistakes| ConfigError::Wrong { path: path.into(), mistakes })
    }

    /// Checks a text; `folder` is what relative paths start from.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Mistake>> {
        parse::parse(text, folder)
    }

    /// What the core is told.
    pub fn access_options(&self) -> access::Options {
        let doors = self.doors.iter().map(|door| {
            let usual = access::DoorOptions::usual(door.kind);
            access::DoorOptions {
                // As seen from the relay, which is energised to open.
                fail: access::Fail::Secure,
                drive: door.drive,
                contact: door.contact.is_some(),
                sensor: match (door.passed, door.beams) {
                    (Some(_), _) => access::PassageSensor::Contacts,
                    (None, Some(_)) => access::PassageSensor::Beams,
                    (None, None) => access::PassageSensor::None,
                },
                relock_on_open: door.relock_on_open,
                open: door.open,
                extended_open: usual.extended_open.max(door.open),
                held_after: door.held_after,
                extended_held_after: usual.extended_held_after.max(door.held_after),
                warn_before: door.warning.map(|warning| warning.before),
                ..usual
            }
        });
        let readers = self.readers.iter().map(|reader| access::ReaderOptions {
            door: reader.door,
            heading: reader.heading,
            pin: reader.pin,
        });
        access::Options {
            face: self
                .face
                .as_ref()
                .map(|face| access::FaceOptions { door: face.door, max_age: face.max_age }),
            untrusted_clock: self.untrusted_clock,
            ..access::Options::usual(doors.collect(), readers.collect())
        }
    }

    /// Every switch input with the name it goes by: `main.contact`, `fire`.
    pub fn inputs(&self) -> Vec<(String, Input)> {
        let mut inputs: Vec<_> = self.fire.iter().map(|i| ("fire".to_owned(), *i)).collect();
        for reader in &self.readers {
            inputs.extend(reader.tamper.map(|i| (format!("{}.tamper", reader.name), i)));
        }
        for door in &self.doors {
            inputs.extend(door.contact.map(|i| (format!("{}.contact", door.name), i)));
            inputs.extend(door.rex.map(|i| (format!("{}.rex", door.name), i)));
            let pairs = [
                (door.passed, ["passed_in", "passed_out"]),
                (door.beams, ["beam_outer", "beam_inner"]),
            ];
            for (pair, keys) in pairs {
                let each = pair.into_iter().flatten().zip(keys);
                inputs.extend(each.map(|(i, key)| (format!("{}.{key}", door.name), i)));
            }
        }
        inputs
    }

    /// Every output with the name it goes by: `main.relay`, `entrance.buzzer`.
    pub fn outputs(&self) -> Vec<(String, Output)> {
        let mut outputs = Vec::new();
        for door in &self.doors {
            let all = [
                ("relay", Some(door.relay)),
                ("relay_out", door.relay_out),
                ("stop", door.stop),
                ("warning", door.warning.map(|warning| warning.output)),
            ];
            let there = all.into_iter().filter_map(|(key, output)| Some((key, output?)));
            outputs.extend(there.map(|(key, output)| (format!("{}.{key}", door.name), output)));
        }
        for reader in &self.readers {
            let LampLines { green, red, buzzer } = reader.lamps;
            for (key, line) in [("led_green", green), ("led_red", red), ("buzzer", buzzer)] {
                outputs.extend(line.map(|line| (format!("{}.{key}", reader.name), line)));
            }
        }
        outputs
    }

    /// Whether the site's key is still the example's, which is a published test key: anybody could sign.
    pub fn trusts_everybody(&self) -> bool {
        self.trust.root_key.to_string() == EXAMPLE_ROOT_KEY
    }

    pub fn door_name(&self, id: DoorId) -> &str {
        self.doors.get(usize::from(id.0)).map_or("?", |door| &door.name)
    }

    pub fn reader_name(&self, id: ReaderId) -> &str {
        self.readers.get(usize::from(id.0)).map_or("?", |reader| &reader.name)
    }
}
