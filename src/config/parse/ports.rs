//! Serial ports: their settings, and whose they are. Each has one owner.

use crate::config::raw::{Item, Notes, Section};
use crate::domain::{Direction, Parity, PortSettings};
use std::ops::Range;

/// The port of a section and its settings. Which baud rate it has without `baud` is the caller's to say.
pub(super) fn port(
    s: &Section<'_>,
    baud: u32,
    owner: &str,
    ports: &mut Ports,
) -> Option<PortSettings> {
    let path = s.required_text("port", "\"/dev/ttyAMA0\"");
    let baud = s.whole_or("baud", 300..=230_400, baud.into()) as u32;
    let data_bits = s.whole_or("data_bits", 7..=8, 8) as u8;
    let parities = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
    let parity = s.choice("parity", &parities, Parity::None);
    let stop_bits = s.whole_or("stop_bits", 1..=2, 1) as u8;
    let rts_on_send = s.flag_or("rts_on_send", true);
    let kernel = Direction::Kernel { rts_on_send, before_ms: 0, after_ms: 0 };
    let rts = Direction::Rts { rts_on_send };
    let directions = [("automatic", Direction::Automatic), ("kernel", kernel), ("rts", rts)];
    let direction = s.choice("rs485", &directions, Direction::Automatic);
    let path = path?;
    if !path.value.starts_with('/') {
        let what = "must be the whole path of a device: \"/dev/ttyAMA0\"";
        s.note(path.span, "port", what);
        return None;
    }
    ports.take(&path, owner);
    Some(PortSettings { path: path.value.into(), baud, data_bits, parity, stop_bits, direction })
}

/// Who uses which port.
#[derive(Default)]
pub(super) struct Ports {
    taken: Vec<(String, String, Range<usize>)>,
}

impl Ports {
    pub(super) fn take(&mut self, port: &Item<String>, owner: &str) {
        self.taken.push((port.value.clone(), owner.into(), port.span.clone()));
    }

    pub(super) fn report_clashes(&self, notes: &Notes<'_>) {
        for (i, (port, owner, span)) in self.taken.iter().enumerate() {
            if let Some((_, first, _)) = self.taken[..i].iter().find(|(p, ..)| p == port) {
                let what = format!("{port} belongs to {first} already: give each its own");
                notes.add(span.clone(), owner, what);
            }
        }
    }
}
