//! One card, one identity: enrolled once from what is printed on it, read by readers that cut its serial
//! down or reverse it, through the real office and the real daemon with simulated pins.

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{Stage, World};
use eithergate::wire::{format, serial};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

/// Beside the reader `entrance`, which sends 26 bits and has no view.
const READERS: &str = r#"
[[reader]]
name = "cuts"
door = "main"
d0 = 7
d1 = 8
formats = ["h10301"]
view = "low24"

[[reader]]
name = "reverses"
door = "main"
d0 = 9
d1 = 10
formats = ["h10306"]
view = "low32-reversed"

[[reader]]
name = "sends-all"
door = "main"
kind = "serial"
framing = "rdm6300"
port = "PORT"
view = "low32"
"#;

/// A serial cable: its near end, and the gate's end with its name.
struct Cable {
    near: File,
    _far: OwnedFd,
    name: String,
}

fn cable() -> Result<Cable, Box<dyn std::error::Error>> {
    let (mut near, mut far) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: two places for descriptors; the name and the settings may be left out.
    let opened = unsafe { libc::openpty(&mut near, &mut far, none, none.cast(), none.cast()) };
    assert_eq!(opened, 0, "a pair of terminals");
    // SAFETY: both were just opened, and nobody else has them.
    let (near, far) = unsafe { (OwnedFd::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
    let mut raw = tcgetattr(&far)?;
    raw.make_raw();
    tcsetattr(&far, OptionalActions::Now, &raw)?;
    let name = std::fs::read_link(format!("/proc/self/fd/{}", far.as_raw_fd()))?;
    Ok(Cable { near: near.into(), _far: far, name: name.to_string_lossy().into_owned() })
}

/// The office's directory and the command line.
fn office(world: &World, args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let site = world.path("site");
    let output = Command::new(program()).args(["site", "--site", &site]).args(args).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

fn imported(world: &World, csv: &str) -> Result<String, Box<dyn std::error::Error>> {
    let path = world.path("more.csv");
    std::fs::write(&path, csv)?;
    office(world, &["card", "import", &path])
}

/// Holds a card that a reader sends as this number to it; whether the gate opens.
fn opens(
    world: &mut World,
    cable: &mut Cable,
    reader: &str,
    number: u128,
) -> Result<bool, Box<dyn std::error::Error>> {
    let mark = world.eyes.mark();
    if reader == "sends-all" {
        let framing = serial::preset("rdm6300").ok_or("no such framing")?;
        cable.near.write_all(&framing.encode(number).ok_or("too large")?)?;
    } else {
        let name = if reader == "reverses" { "h10306" } else { "h10301" };
        let format = format::builtin(name).ok_or("no such format")?;
        let bits = format.encode_card(number).map_err(|e| e.to_string())?;
        let (count, raw) = (bits.count(), bits.to_hex());
        let line = format!(r#"{{"read":{{"reader":"{reader}","bits":{count},"raw":"{raw}"}}}}"#);
        world.send(&line).map_err(|e| format!("{e:?}"))?;
    }
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card")]);
    let denied = |s: &Sight| s.is_event("Denied", &[("reason", "CredentialNotFound")]);
    let seen = world.eyes.wait(mark, SOON, |s| granted(s) || denied(s)).ok_or("no decision")?;
    let granted = granted(&seen.what);
    if granted {
        let relocked = world.eyes.wait(mark, SOON, |s| s.is_output(false));
        assert!(relocked.is_some(), "no relock");
    }
    Ok(granted)
}

#[test]
fn one_card_opens_at_readers_that_each_send_something_else() -> Outcome {
    let stage = Stage { program: program(), pictures: None, sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    let config = world.path("gate.toml");
    let text = std::fs::read_to_string(&config)?;
    let mut cable = cable()?;
    std::fs::write(&config, format!("{text}\n{}", READERS.replace("PORT", &cable.name)))?;
    world.crash_gate().map_err(|e| format!("{e:?}"))?;
    world.start_gate().map_err(|e| format!("{e:?}"))?;

    for view in ["low24", "low32-reversed"] {
        let said = office(&world, &["view", "add", view])?;
        assert!(said.contains(&format!("view = \"{view}\"")), "{said}");
    }
    // One tag by the ten digits printed on it; one card out of another panel's export; two tags that end
    // in the same 24 bits.
    imported(&world, "format,notation,number\nem4100,10D,0126153249\n")?;
    imported(&world, "format,facility,number\nh10301,200,345\n")?;
    let said =
        imported(&world, "format,notation,number\nem4100,10H,02aa123456\nem4100,10H,02bb123456\n")?;
    assert!(
        said.contains("line 2: by its low24") && said.contains("line 3: by its low24"),
        "{said}"
    );
    assert!(!said.contains("123456"), "{said}");
    let broker = format!("mqtt://127.0.0.1:{}", world.port());
    let said = office(&world, &["publish", "--broker", &broker, "--wait", "15"])?;
    assert!(said.contains("1 times some reader here can't tell"), "{said}");
    let clashes = office(&world, &["view", "clashes", "--json"])?;
    assert_eq!(clashes.lines().count(), 1, "{clashes}");

    let exported = 200 << 16 | 345;
    for (reader, number, expected, what) in [
        ("cuts", 0x84_f221, true, "the tag's last 24 bits"),
        ("reverses", 0x21f2_8407, true, "its last 32, the last byte first"),
        ("sends-all", 0x01_0784_f221, true, "all 40 of them"),
        ("cuts", 0x84_f222, false, "another tag"),
        ("reverses", 0x0784_f221, false, "a tag whose bytes are the other way round"),
        ("entrance", 0x84_f221, false, "a reader that says nothing of serials"),
        ("entrance", exported, true, "another panel's card, as ever"),
        ("cuts", exported, true, "and where the reader has a view now"),
        ("cuts", 0x12_3456, false, "whose it is can't be told here"),
        ("sends-all", 0x02_aa12_3456, true, "but here"),
        ("reverses", 0x5634_12bb, true, "and here, the other one"),
    ] {
        assert_eq!(opens(&mut world, &mut cable, reader, number)?, expected, "{reader}: {what}");
    }

    // A lost tag goes by any of its numbers, at all readers.
    office(
        &world,
        &["card", "remove", "--format", "em4100", "--notation", "3+5", "--number", "132,61985"],
    )?;
    office(&world, &["publish", "--broker", &broker, "--wait", "15"])?;
    for (reader, number) in
        [("cuts", 0x84_f221), ("reverses", 0x21f2_8407), ("sends-all", 0x01_0784_f221)]
    {
        assert!(!opens(&mut world, &mut cable, reader, number)?, "{reader} still knows it");
    }
    Ok(())
}
