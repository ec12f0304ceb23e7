//! `[[bus]]`: RS-485 ports with OSDP readers on them, and a reader's place on one.

use super::ports::{self, Ports};
use crate::config::raw::Section;
use crate::config::{Bus, Osdp};
use crate::domain::{Assurance, Parity};
use std::collections::BTreeMap;

/// OSDP's bit rates.
const BAUDS: [u32; 6] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400];

/// Buses by name, and who sits where.
#[derive(Default)]
pub(super) struct Buses {
    names: BTreeMap<String, usize>,
    taken: BTreeMap<(usize, u8), String>,
}

impl Buses {
    pub(super) fn bus(&mut self, s: Section<'_>, ports: &mut Ports) -> Option<Bus> {
        if !cfg!(feature = "osdp") {
            let what = "this build knows no OSDP: build it with --features osdp";
            s.note(s.span(), "", what);
        }
        let name = s.required_text("name", "\"rs485\"");
        let number = self.names.len();
        if let Some(name) = &name
            && self.names.insert(name.value.clone(), number).is_some()
        {
            s.note(name.span.clone(), "name", "another bus has this name: give each its own");
        }
        let owner = format!("bus {}", name.as_ref().map_or("?", |name| name.value.as_str()));
        let port = ports::port(&s, 9_600, &owner, ports);
        if let Some(port) = &port {
            if !BAUDS.contains(&port.baud) {
                let all = BAUDS.map(|b| b.to_string()).join(", ");
                s.note(s.span(), "baud", format!("OSDP has {all}"));
            }
            if (port.data_bits, port.parity, port.stop_bits) != (8, Parity::None, 1) {
                let what = "OSDP has 8 data bits, no parity and 1 stop bit: leave them out";
                s.note(s.span(), "port", what);
            }
        }
        s.finish();
        Some(Bus { name: name?.value, port: port? })
    }

    /// A reader with `kind = "osdp"`.
    pub(super) fn seat(&mut self, s: &Section<'_>, label: &str, said: Assurance) -> Option<Osdp> {
        let bus = s.required_text("bus", "\"rs485\"").and_then(|name| {
            let number = self.names.get(&name.value).copied();
            if number.is_none() {
                let known: Vec<_> = self.names.keys().map(|n| format!("\"{n}\"")).collect();
                let what = format!("is no [[bus]] here; there are: {}", known.join(", "));
                s.note(name.span, "bus", what);
            }
            number
        });
        s.missing_unless_wrong("address", "0");
        let address = s.whole("address", 0..=126);
        if let (Some(bus), Some(address)) = (bus, &address)
            && let Some(other) = self.taken.insert((bus, address.value as u8), label.to_owned())
        {
            let what = format!("{other} has this address already: give each reader its own");
            s.note(address.span.clone(), "address", what);
        }
        let low = said == Assurance::Low;
        let keypad = s.flag_or("keypad", false);
        Some(Osdp { bus: bus?, address: address?.value as u8, low, keypad })
    }
}
