//! A whole gate with an OSDP reader: the real daemon, a real broker, an installer at the command line.

use super::rig::{Device, Rig};
use super::{AGAIN, SOON};
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{Stage, World};
use std::process::Command;
use std::time::Duration;

fn eithergate(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_eithergate"))
        .args(args)
        .args(["--config", &world.path("gate.toml")])
        .output()
        .expect("eithergate runs");
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn an_installer_enrols_a_reader_and_a_card_opens() {
    let stage =
        Stage { program: env!("CARGO_BIN_EXE_eithergate").into(), pictures: None, sabotage: None };
    let mut world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    let applied = |s: &Sight| matches!(s, Sight::Ack(a) if a["applied"] == true);
    assert!(world.eyes.wait(0, SOON, applied).is_some(), "no allowlist was applied");
    let mut rig = Rig::new(38_400, AGAIN);
    rig.plug(&[Device { address: 3, key: None, secure: true }]);

    world.crash_gate().unwrap_or_else(|e| panic!("{e:?}"));
    let config = world.path("gate.toml");
    let text = std::fs::read_to_string(&config).expect("the gate's configuration");
    let reader = "d0 = 5\nd1 = 6\n";
    assert!(text.contains(reader));
    let text = text.replace(reader, "kind = \"osdp\"\nbus = \"rs485\"\naddress = 3\n");
    let text = text.replace("name = \"main\"\n", "name = \"main\"\nassurance = \"high\"\n");
    let bus =
        format!("\n[[bus]]\nname = \"rs485\"\nport = \"{}\"\nbaud = 38400\n", rig.port.display());
    std::fs::write(&config, text + &bus).expect("written");
    world.start_gate().unwrap_or_else(|e| panic!("{e:?}"));

    // The pins are there before the socket that answers.
    let end = std::time::Instant::now() + SOON;
    while eithergate(&world, &["reader", "status", "entrance"]).0 != Some(0)
        && std::time::Instant::now() < end
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, told) = eithergate(&world, &["reader", "install", "nobody"]);
    assert!(code == Some(69) && told.contains("entrance"), "{told}");
    let (_, told) = eithergate(&world, &["check", "--json"]);
    assert!(told.contains("entrance has no key yet"), "{told}");
    let mark = world.eyes.mark();
    let (code, told) = eithergate(&world, &["reader", "install", "entrance", "--minutes", "1"]);
    assert_eq!(code, Some(0), "{told}");
    for (kind, field) in [
        ("InstallOpened", ("reader", "entrance")),
        ("InstallEnded", ("reader", "entrance")),
        ("ReaderEnrolled", ("reader", "entrance")),
    ] {
        let seen = |s: &Sight| s.is_event(kind, &[field]);
        assert!(world.eyes.wait(mark, SOON, seen).is_some(), "no {kind}");
    }
    let key = rig.heard("key 3 ", SOON).expect("a key was set");

    // Before and after a restart: the key is kept, and no handshake is like one before.
    for restarted in [false, true] {
        if restarted {
            world.crash_gate().unwrap_or_else(|e| panic!("{e:?}"));
            world.start_gate().unwrap_or_else(|e| panic!("{e:?}"));
        }
        let up = || eithergate(&world, &["reader", "status", "entrance"]).1;
        let end = std::time::Instant::now() + SOON;
        while !up().contains("secure       true") && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        let mark = world.eyes.mark();
        rig.reader("card 3 26 2f623ae");
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "no relay: {}", up());
        let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card")]);
        assert!(world.eyes.wait(mark, SOON, granted).is_some());
        assert_eq!(rig.heard("led 3 ", SOON).as_deref(), Some("2"), "not green");
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some());
    }
    let challenges = rig.ask("challenges");
    let (all, repeated) = challenges.split_once(' ').expect("two numbers");
    assert!(all.parse::<u32>().expect("a number") >= 3, "{challenges}");
    assert_eq!(repeated, "0", "a handshake came twice: recorded ones would fit");

    // The same card by somebody on the cable.
    let mark = world.eyes.mark();
    rig.pace("next plain");
    let breach = |s: &Sight| s.is_event("ReaderSecurity", &[("why", "plaintext")]);
    assert!(world.eyes.wait(mark, SOON, breach).is_some(), "nobody was told");
    let opened = world.eyes.wait(mark, Duration::from_millis(800), |s| s.is_output(true));
    assert!(opened.is_none(), "it opened");
    let (_, told) = eithergate(&world, &["check", "--json"]);
    assert!(told.contains("entrance is not believed: plaintext"), "{told}");

    let secrets = world.secrets();
    assert!(!world.eyes.mentions(&secrets), "a message names a card or a subject");
    assert!(!world.eyes.mentions(&[key]), "a message holds a reader's key");
}
