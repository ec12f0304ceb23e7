//! Serial readers in the configuration, and the framings of their own.

use super::tests::{EXAMPLE, mistakes, one};
use super::{framings, parse};
use crate::config::Link;
use crate::domain::{Direction, Parity};
use std::path::Path;

const YARD: &str = "\n[[reader]]\nname = \"yard\"\ndoor = \"main\"\nkind = \"serial\"\n";
const OWN: &str = "\n[[framing]]\nname = \"ours\"\nstart = \"AA 55\"\nend = \"0d\"\nbody = \"binary\"\n\
                   data = 6\nmask = \"--####\"\nchecksum = \"crc16-modbus\"\n\
                   checksum_order = \"little\"\ncovers = \"start\"\ngap_ms = 40\nformat = \"ours\"\n";

fn with(sections: &str) -> String {
    format!("{EXAMPLE}{sections}")
}

#[test]
fn a_serial_reader_has_its_framing_s_own_defaults() {
    let yard = format!("{YARD}port = \"/dev/ttyAMA0\"\nframing = \"parallax\"\n");
    let config = parse(&with(&yard), Path::new("/etc/eithergate"));
    let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
    let Link::Serial(serial) = &config.readers[1].link else { panic!("{config:#?}") };
    let port = &serial.port;
    assert_eq!((port.baud, port.data_bits, port.stop_bits), (2_400, 8, 1));
    assert_eq!((port.parity, port.direction), (Parity::None, Direction::Automatic));
    assert!(!serial.framing.framing.is_checked());
    assert_eq!(config.readers[1].link.kind(), "serial");
}

#[test]
fn a_framing_of_one_s_own_may_stand_alone_in_a_file() {
    let yard = format!(
        "{YARD}port = \"/dev/ttyUSB0\"\nframing = \"ours\"\nbaud = 19200\ndata_bits = 7\n\
         parity = \"even\"\nstop_bits = 2\nrs485 = \"kernel\"\nrts_on_send = false\n{OWN}"
    );
    let config = parse(&with(&yard), Path::new("/etc/eithergate"));
    let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
    let Link::Serial(serial) = &config.readers[1].link else { panic!("{config:#?}") };
    assert_eq!((serial.port.baud, serial.port.parity), (19_200, Parity::Even));
    let receive = Direction::Kernel { rts_on_send: false, before_ms: 0, after_ms: 0 };
    assert_eq!(serial.port.direction, receive);
    let alone = framings(OWN).unwrap_or_else(|m| panic!("{m:#?}"));
    assert_eq!(alone, std::slice::from_ref(&serial.framing));
    let frame = serial.framing.framing.encode(0x0102_0304).unwrap_or_default();
    assert_eq!(frame[..8], [0xaa, 0x55, 0, 0, 1, 2, 3, 4]);
}

#[test]
fn the_documentation_s_examples_are_valid() {
    let docs = include_str!("../../../docs/serial.md");
    let examples: Vec<&str> =
        docs.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let sections = examples.concat().replace("rdm6300", "ours");
    assert!(sections.contains("[[framing]]") && sections.contains("[[reader]]"), "{sections}");
    assert_eq!(mistakes(&with(&sections)), Vec::<String>::new());
}

#[test]
fn a_port_has_one_owner() {
    let reader = |name: &str, port: &str| {
        let yard = YARD.replace("yard", name);
        format!("{yard}port = \"{port}\"\nframing = \"rdm6300\"\n")
    };
    let two = |port: &str| mistakes(&with(&(reader("yard", "/dev/ttyS1") + &reader("back", port))));
    assert_eq!(two("/dev/ttyS2"), Vec::<String>::new());
    let clash = "reader back: /dev/ttyS1 belongs to reader yard already: give each its own";
    one(two("/dev/ttyS1"), clash);
}

#[test]
fn every_mistake_of_a_serial_reader_is_told_at_once() {
    let wrong = format!(
        "{YARD}port = \"ttyS0\"\nbaud = 5\nframing = \"rdm\"\nparity = \"some\"\nformats = [\"h10301\"]\n\
         assurance = \"high\"\n"
    );
    let found = mistakes(&with(&wrong));
    for word in [
        "port: must be the whole path of a device",
        "baud: must be a whole number from 300 to 230400",
        "framing: is no framing that makes sense; there are: rdm6300, id12la",
        "parity: must be \"none\" or \"even\" or \"odd\"",
        "formats: is not an option here",
        "never more than \"low\"",
    ] {
        assert!(found.iter().any(|m| m.contains(word)), "{word:?} is not in {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
    let missing = mistakes(&with(YARD));
    assert_eq!(missing.len(), 2, "port and framing: {missing:#?}");
}

#[test]
fn every_mistake_of_a_framing_is_told_at_its_place() {
    let said = |from: &str, to: &str| {
        assert!(OWN.contains(from), "{from}");
        let wrong = framings(&OWN.replace(from, to)).err().unwrap_or_default();
        let words: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 1, "{words:#?}");
        words.concat()
    };
    assert!(said("name = \"ours\"", "name = \"em18\"").contains("give each its own"));
    assert!(said("\"AA 55\"", "\"AA5\"").contains("start: must be bytes in hex"));
    assert!(said("data = 6", "data = 200").contains("data: must be a whole number from 1 to 128"));
    assert!(said("--####", "--##x#").contains("mask: is made of #"));
    assert!(said("--####", "--###").contains("mask: must have 6 characters"));
    assert!(said("checksum = \"crc16-modbus\"\n", "").contains("checksum: missing"));
    assert!(said("\"start\"", "\"length\"").contains("covers: there is no length byte"));
    assert!(said("crc16-modbus", "crc").contains("\"none\" or \"xor\""));
    assert!(said("gap_ms", "gap").contains("is not an option here"));
    let text = "[[framing]]\nname = \"x\"\nbody = \"octal\"\n";
    assert_eq!(framings(text).err().unwrap_or_default().len(), 4);
}
