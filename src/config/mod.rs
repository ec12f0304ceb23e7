//! The configuration file: a mirror of the TOML (`raw`), checked into a [`Config`] with every mistake
//! reported at once. Never opens a device, and reads no file but the one it is given.
//!
//! `config/eithergate.toml` is the example a person reads; a test keeps it valid.

mod camera;
mod lines;
mod parse;
mod raw;
mod told;

pub use camera::{Camera, Part, Rpicam, Source, V4l2};
pub use lines::{Backend, Board, Hardware, Input, InputLine, Means, Output, OwnLines};
pub(crate) use parse::reset_pull;
pub use raw::Mistake;

use crate::access;
use crate::domain::{
    Assurance, Bias, CardNumber, DoorId, Duration, GateId, Heading, LivenessPolicy, PortSettings,
    ReaderId, SiteId,
};
use crate::trust::PublicKey;
use crate::wire::card::{View, serial_bits};
use crate::wire::format::Format;
use crate::wire::keypad::Keypad;
use crate::wire::serial::Framing;
use crate::wire::template::ModelHash;
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
    /// The gate's own, the fire alarm's among them.
    pub lines: OwnLines,
    pub rules: Rules,
    pub face: Option<Face>,
    pub untrusted_clock: access::UntrustedClock,
    /// Events kept on disk.
    pub journal_events: u64,
    /// How many megabytes of what reached the judgement are kept for `eithergate replay`; 0 for none.
    pub record_inputs_mb: u64,
}

/// Rules that hold for the whole gate.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub calendar: access::Calendar,
    /// The names of its profiles, in its order.
    pub profiles: Vec<String>,
    pub passback: access::Passback,
    pub interlocks: Vec<Vec<DoorId>>,
    pub lockout: access::Lockout,
    pub fire: access::FireOptions,
    pub alarms: access::AlarmOptions,
}

impl Rules {
    pub fn profile_name(&self, profile: u8) -> &str {
        self.profiles.get(usize::from(profile)).map_or("?", String::as_str)
    }
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

#[derive(Clone, Debug)]
pub struct Door {
    pub name: String,
    pub kind: access::DoorKind,
    pub drive: access::Drive,
    /// As seen from the relay: with `Secure` it is energised to open, with `Safe` to lock.
    pub fail: access::Fail,
    /// A lock that current holds shut hangs on its NC contact, unless it fails safe. A turnstile's for coming in.
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
    /// The same for those who need longer.
    pub extended_open: Duration,
    pub extended_held_after: Duration,
    pub relock_on_open: bool,
    /// When it is free for everybody: a profile.
    pub unlock: Option<u8>,
    /// Free only once the first resident has come.
    pub first_card: bool,
    /// When nobody gets in: a profile.
    pub lock_down: Option<u8>,
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
    /// Somebody has looked: it has keys. Where a PIN is asked for beside a camera that has to be known, because
    /// without keys only a face would be left.
    pub keypad: bool,
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
    /// That of the one it replaces, while residents move across.
    pub former_embedding: Option<String>,
    /// sha256 of the manifests that may be loaded; empty for any.
    pub pins: Vec<ModelHash>,
    pub threads: u8,
    pub camera: Camera,
    pub max_age: Duration,
    /// Where somebody stands who is asking: left, top, width, height as shares of the picture.
    pub region: Option<[f32; 4]>,
    pub min_pupils_px: f32,
    pub dwell: Duration,
    /// Who has been away for so long is a new presentation.
    pub rearm: Duration,
    pub liveness: LivenessPolicy,
    /// The manifest of an anti-spoofing model, a file in `models`.
    pub liveness_model: Option<String>,
    /// Shares of presentations that the threshold is derived for.
    pub strangers_accepted: f64,
    pub residents_refused: f64,
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
