//! A serial reader at the real daemon, over a pseudo-terminal: its card opens, noise doesn't, and a port
//! that goes away comes back by itself.

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{NEIGHBOUR, Stage, World};
use eithergate::wire::serial::{Framing, preset};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(600);
const CARD: u128 = 0x01_0784_f221;

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

/// A reader at the far end of a cable, whose near end is at `path`.
struct Reader(File);

impl Reader {
    fn plugged_in(path: &Path) -> Self {
        let end = File::options().read(true).write(true).open("/dev/ptmx").expect("a pty");
        let (mut number, unlocked): (libc::c_uint, libc::c_int) = (0, 0);
        // SAFETY: the descriptor is open, and each request takes one `int`.
        let done = unsafe {
            libc::ioctl(end.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked)
                | libc::ioctl(end.as_raw_fd(), libc::TIOCGPTN, &raw mut number)
        };
        assert_eq!(done, 0);
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(format!("/dev/pts/{number}"), path).expect("a link");
        Self(end)
    }

    fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the gate reads");
    }

    fn unplugged(self, path: &Path) {
        drop(self);
        std::fs::remove_file(path).expect("the link was there");
    }
}

/// A gate with a Wiegand reader and, on a port at the given path, a serial one.
fn gate_with_serial_reader(framing: &str) -> (World, PathBuf, Reader) {
    let stage = Stage { program: program(), pictures: None, sabotage: None };
    let mut world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    let cards = world.path("tags.csv");
    let csv = format!("format,whole_number,face\nem4100,{CARD},no\n");
    std::fs::write(&cards, csv).expect("written");
    let site = world.path("site");
    let import = ["site", "--site", &site, "card", "import", &cards];
    let output = Command::new(program()).args(import).output().expect("eithergate");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    must(world.publish());

    let port = PathBuf::from(world.path("port"));
    let reader = Reader::plugged_in(&port);
    let config = world.path("gate.toml");
    let mut text = std::fs::read_to_string(&config).expect("gate.toml");
    text.push_str(&format!(
        "\n[[reader]]\nname = \"yard\"\ndoor = \"main\"\nkind = \"serial\"\nport = \"{}\"\n\
         framing = \"{framing}\"\n",
        port.display()
    ));
    std::fs::write(&config, text).expect("written");
    must(world.crash_gate());
    must(world.start_gate());
    until("the port is up", &world, |yard| yard["state"] == "up");
    (world, port, reader)
}

#[track_caller]
fn must(outcome: Result<(), eithergate::cli::Failure>) {
    outcome.unwrap_or_else(|e| panic!("{e:?}"));
}

/// Waits for what health says of the serial reader; how long it took.
#[track_caller]
fn until(what: &str, world: &World, pleases: impl Fn(&serde_json::Value) -> bool) -> Duration {
    let start = Instant::now();
    let mut last = None;
    while start.elapsed() < SOON {
        last = world.status();
        if last.as_ref().is_some_and(|health| pleases(&health["readers"][1])) {
            return start.elapsed();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: not within {SOON:?}: {last:#?}");
}

/// Bytes on the wire open the door, and it locks again.
#[track_caller]
fn opens(world: &World, reader: &mut Reader, bytes: &[u8]) {
    let mark = world.eyes.mark();
    reader.says(bytes);
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "it stayed locked");
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card"), ("door", "main")]);
    assert!(world.eyes.wait(mark, SOON, granted).is_some(), "no AccessGranted");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some(), "no relock");
}

fn frame(framing: &Framing, number: u128) -> Vec<u8> {
    framing.encode(number).expect("it fits")
}

#[test]
fn a_card_opens_and_noise_does_not() {
    let (world, _, mut reader) = gate_with_serial_reader("rdm6300");
    let framing = preset("rdm6300").expect("a preset");
    let good = frame(&framing, CARD);
    opens(&world, &mut reader, &good);

    // A stranger's card, and everything that is none.
    let mark = world.eyes.mark();
    reader.says(&frame(&framing, CARD + 1));
    let denied = |s: &Sight| s.is_event("Denied", &[("reason", "CredentialNotFound")]);
    assert!(world.eyes.wait(mark, SOON, denied).is_some(), "no Denied");
    let mut altered = good.clone();
    altered[4] ^= 1;
    let noise: Vec<u8> = (0..2_000u32).map(|i| ((i * 7919) >> 3) as u8).collect();
    for (what, bytes) in
        [("an altered byte", &altered[..]), ("half a frame", &good[..7]), ("a flood", &noise)]
    {
        let mark = world.eyes.mark();
        reader.says(bytes);
        assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "{what} opened");
    }
    let log = std::fs::read_to_string(world.path("gate.log")).expect("a log");
    for fault in ["checksum", "framing", "flood"] {
        let told = |line: &&str| line.contains("yard") && line.contains(fault);
        assert!(log.lines().any(|line| told(&line)), "{fault} is not in the log:\n{log}");
    }
    assert!(!log.contains("010784"), "the log names a card");
    assert!(!world.eyes.mentions(&[CARD.to_string(), "0784f221".into(), "0784F221".into()]));

    opens(&world, &mut reader, &[b"\x020107", &good[..]].concat());
}

#[test]
fn a_port_that_goes_away_is_told_once_and_is_back_within_five_seconds() {
    let (mut world, port, reader) = gate_with_serial_reader("id12la");
    let good = frame(&preset("id12la").expect("a preset"), CARD);
    let offline =
        |raised: &'static str| move |s: &Sight| s.is_event(raised, &[("alarm", "reader-offline")]);
    let mark = world.eyes.mark();
    reader.unplugged(&port);
    until("the port is down", &world, |yard| yard["state"] == "down");
    assert!(world.eyes.wait(mark, SOON, offline("AlarmRaised")).is_some(), "no alarm");
    // The other reader doesn't mind, and a while later it was still told only once.
    must(world.present_card(NEIGHBOUR));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "the gate stalled");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some());
    std::thread::sleep(Duration::from_secs(3));
    let raised = offline("AlarmRaised");
    let told = world.eyes.since(mark).iter().filter(|seen| raised(&seen.what)).count();
    assert_eq!(told, 1, "told again and again");

    let mut reader = Reader::plugged_in(&port);
    let took = until("the port is back", &world, |yard| yard["state"] == "up");
    assert!(took <= Duration::from_secs(5), "it took {took:?}");
    assert!(world.eyes.wait(mark, SOON, offline("AlarmCleared")).is_some(), "not cleared");
    opens(&world, &mut reader, &good);
}
