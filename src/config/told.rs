//! What others are told of a configuration: the core its options, the pins their lines.

use super::lines::{Input, InputLine, Means, Output};
use super::{Config, LampLines, Rules};
use crate::access;
use crate::domain::{DoorId, ReaderId, Trigger, Wire};

impl Config {
    /// What the core is told.
    pub fn access_options(&self) -> access::Options {
        let doors = self.doors.iter().map(|door| access::DoorOptions {
            kind: door.kind,
            fail: door.fail,
            drive: door.drive,
            contact: door.contact.is_some(),
            sensor: match (door.passed, door.beams) {
                (Some(_), _) => access::PassageSensor::Contacts,
                (None, Some(_)) => access::PassageSensor::Beams,
                (None, None) => access::PassageSensor::None,
            },
            relock_on_open: door.relock_on_open,
            open: door.open,
            extended_open: door.extended_open,
            held_after: door.held_after,
            extended_held_after: door.extended_held_after,
            warn_before: door.warning.map(|warning| warning.before),
            unlock: door.unlock,
            first_card: door.first_card,
            lock_down: door.lock_down,
        });
        let readers = self.readers.iter().map(|reader| access::ReaderOptions {
            door: reader.door,
            heading: reader.heading,
            pin: reader.pin,
        });
        let face = self.face.as_ref();
        let Rules { calendar, passback, interlocks, lockout, fire, alarms, .. } = &self.rules;
        access::Options {
            doors: doors.collect(),
            readers: readers.collect(),
            face: face.map(|face| access::FaceOptions { door: face.door, max_age: face.max_age }),
            calendar: calendar.clone(),
            untrusted_clock: self.untrusted_clock,
            passback: *passback,
            interlocks: interlocks.clone(),
            lockout: *lockout,
            fire: *fire,
            alarms: *alarms,
        }
    }

    /// Every switch with the name it goes by (`main.contact`, `fire`) and what it stands for, the fire first.
    pub fn switches(&self) -> Vec<(String, Means, Input)> {
        let own = self.lines.inputs();
        let mut all: Vec<_> =
            own.map(|(name, wire, i)| (name.to_owned(), Means::Gate(wire), i)).collect();
        for (n, reader) in self.readers.iter().enumerate() {
            let means = Means::Tamper(ReaderId(n as u8));
            all.extend(reader.tamper.map(|i| (format!("{}.tamper", reader.name), means, i)));
        }
        if let Some(camera) = self.face.as_ref().map(|face| &face.camera) {
            let trigger = camera.watch.trigger;
            let key = if trigger == Trigger::Button { "button" } else { "presence" };
            let means = Means::Camera(trigger);
            all.extend(camera.line.map(|i| (format!("camera.{key}"), means, i)));
        }
        for (n, door) in self.doors.iter().enumerate() {
            let [passed_in, passed_out] = door.passed.map_or([None; 2], |pair| pair.map(Some));
            let [outer, inner] = door.beams.map_or([None; 2], |pair| pair.map(Some));
            let wires = [
                ("contact", Wire::Contact, door.contact),
                ("rex", Wire::Rex, door.rex),
                ("passed_in", Wire::PassedIn, passed_in),
                ("passed_out", Wire::PassedOut, passed_out),
                ("beam_outer", Wire::OuterBeam, outer),
                ("beam_inner", Wire::InnerBeam, inner),
            ];
            let there = wires.into_iter().filter_map(|(key, wire, i)| Some((key, wire, i?)));
            all.extend(there.map(|(key, wire, i)| {
                (format!("{}.{key}", door.name), Means::Door(DoorId(n as u8), wire), i)
            }));
        }
        all
    }

    /// Every input line: `main.contact`, `main.contact.cut`, `fire`.
    pub fn inputs(&self) -> Vec<(String, InputLine)> {
        let switches = self.switches().into_iter();
        let lines = switches.flat_map(|(name, _, input)| {
            input.lines().map(move |(key, line)| (format!("{name}{key}"), line))
        });
        lines.collect()
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
        outputs.extend(self.lines.siren.map(|line| ("box.siren".to_owned(), line)));
        let indicator = self.face.as_ref().and_then(|face| face.camera.indicator);
        outputs.extend(indicator.map(|line| ("camera.indicator".to_owned(), line)));
        outputs
    }
}
