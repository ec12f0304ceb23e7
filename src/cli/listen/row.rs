//! One thing heard, as an installer reads it: what it may be, and what to put into the configuration.

use crate::app::listen::{Heard, Sound};
use crate::config::{Config, Reader};
use crate::domain::{Clock, Instant, ReadFault};
use crate::io::clock::SystemClock;
use crate::wire::format::{self, Format};
use crate::wire::notation::notations;
use crate::wire::wiegand::Bits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Room for what is said beside time, reader, bits and raw value, in 100 columns.
const WIDTH: usize = 50;

/// A format that fits. Here a card number may be printed: somebody asked what is on the wire.
#[derive(Serialize)]
struct Candidate {
    format: String,
    facility: Option<u128>,
    number: u128,
    /// How cards and panels write it.
    notations: BTreeMap<String, String>,
}

#[derive(Default, Serialize)]
pub(super) struct Row {
    t_us: Instant,
    reader: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<ReadFault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// What is wrong, or what to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// Lines for the configuration, any one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    config: Vec<String>,
}

/// What the built-in formats and the reader's own make of a frame.
fn candidates(bits: Bits, own: &[Format]) -> Vec<Candidate> {
    let builtins = format::builtins();
    let others = builtins.iter().filter(|b| own.iter().all(|o| o.name() != b.name()));
    own.iter().chain(others).filter_map(|format| candidate(bits, format)).collect()
}

fn candidate(bits: Bits, format: &Format) -> Option<Candidate> {
    let (fields, card) = (format.fields(bits)?, format.card(bits)?);
    // Printed forms are as often of 32 bits as of the card's own number.
    let notations = notations(card.number(), bits.count().max(32));
    Some(Candidate {
        format: fields.format.to_string(),
        facility: fields.facility,
        number: fields.number,
        notations: notations.into_iter().collect(),
    })
}

/// The frame as it would be with both data wires exchanged.
fn exchanged(bits: Bits) -> Option<Bits> {
    let all = 1u128.checked_shl(bits.count().into()).map_or(u128::MAX, |bit| bit - 1);
    Bits::new(bits.value() ^ all, bits.count())
}

impl Row {
    pub(super) fn of(heard: &Heard, config: &Config) -> Self {
        let reader = config.readers.iter().find(|reader| reader.name == heard.reader);
        let mut row = Self { t_us: heard.t_us, reader: heard.reader.clone(), ..Self::default() };
        match &heard.sound {
            Sound::Frame { bits, raw } => row.frame(*bits, raw.as_deref(), reader),
            Sound::Card { format, hex } => {
                let number = u128::from_str_radix(hex, 16).unwrap_or(0);
                row.raw = Some(hex.clone());
                let bits = u8::try_from(4 * hex.len()).unwrap_or(u8::MAX).max(40);
                let notations = notations(number, bits).into_iter().collect();
                let format = format.clone();
                row.candidates.push(Candidate { format, facility: None, number, notations });
            }
            Sound::Fault { fault, why } => {
                row.fault = Some(*fault);
                row.note = Some(format!("no card: {why}"));
                row.remedy = Some(fault.remedy().into());
            }
            Sound::Key { key } => row.key = Some(*key),
            Sound::Link { news } => row.link = Some(news.clone()),
        }
        row
    }

    fn frame(&mut self, count: u8, raw: Option<&str>, reader: Option<&Reader>) {
        self.bits = Some(count);
        self.raw = raw.map(str::to_owned);
        let value = raw.and_then(|raw| u128::from_str_radix(raw, 16).ok());
        let Some(bits) = value.and_then(|value| Bits::new(value, count)) else {
            self.note = Some(format!("{count} bits: a key of a keypad?"));
            if matches!(count, 4 | 8) {
                self.config = vec![format!("keypad = {count}")];
            }
            return;
        };
        let own = reader.map(|reader| reader.formats.as_slice()).unwrap_or_default();
        self.candidates = candidates(bits, own);
        let named = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("formats = [{}]", names.join(", "))
        };
        let fitting: Vec<&str> = self.candidates.iter().map(|c| c.format.as_str()).collect();
        if let [only] = fitting[..] {
            if own.iter().any(|format| format.name().as_str() == only) {
                self.note = Some("as configured".into());
            } else {
                self.config = vec![named(&[only])];
            }
        } else if !fitting.is_empty() {
            let what = "several formats fit: take the one whose number is printed on the card";
            self.note = Some(what.into());
            self.config = fitting.iter().map(|name| named(&[name])).collect();
        } else if let Some(swapped) = exchanged(bits).map(|bits| candidates(bits, own))
            && let Some(format) = swapped.first().map(|candidate| &candidate.format)
        {
            self.fault = Some(ReadFault::Swapped);
            self.note = Some(format!("it would be {format} with D0 and D1 exchanged"));
            self.remedy = Some(ReadFault::Swapped.remedy().into());
        } else if format::builtins().iter().chain(own).any(|format| format.bits() == count) {
            self.fault = Some(ReadFault::Parity);
            self.note = Some("the parity is wrong for every format of this length".into());
            self.remedy = Some("hold the card again; if it stays so, describe its format".into());
        } else {
            self.fault = Some(ReadFault::Length);
            self.note = Some(format!("no known format has {count} bits"));
            self.remedy = Some("hold the card again; if it stays so, describe its format".into());
        }
    }

    pub(super) fn heading() -> String {
        let [time, reader, bits, raw] = ["TIME", "READER", "BITS", "RAW"];
        format!("{time:<8}  {reader:<12}  {bits:>4}  {raw:<17}  WHAT")
    }

    /// Lines of at most 100 columns, unless a name is very long.
    pub(super) fn to_table(&self) -> String {
        let time = SystemClock.wall().map(|wall| super::super::utc(wall.0));
        let time = time.as_deref().and_then(|time| time.get(11..19)).unwrap_or("-");
        let bits = self.bits.map(|bits| bits.to_string()).unwrap_or_default();
        let raw = self.raw.as_deref().unwrap_or_default();
        let mut lines = Vec::new();
        for candidate in &self.candidates {
            let facility = candidate.facility.map(|f| format!("facility {f}  "));
            let (format, facility) = (&candidate.format, facility.unwrap_or_default());
            lines.push(format!("{format}  {facility}number {}", candidate.number));
            let printed = candidate.notations.iter().filter(|(name, _)| !name.contains('-'));
            let printed = printed.map(|(name, text)| format!("{name} {text}"));
            lines.extend(wrapped(printed, WIDTH - 2).into_iter().map(|line| format!("  {line}")));
        }
        if let Some(key) = self.key {
            lines.push(format!("key {key}"));
        }
        if let Some(link) = &self.link {
            lines.push(format!("the reader is: {link}"));
        }
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        if let Some(note) = &self.note {
            lines.extend(spaced(words(note)));
        }
        if let Some(remedy) = &self.remedy {
            lines.extend(spaced(words(&format!("-> {remedy}"))));
        }
        lines.extend(self.config.iter().map(|line| format!("paste: {line}")));
        let mut text = format!("{time:<8}  {:<12}  {bits:>4}  {raw:<17}  ", self.reader);
        let mut lines = lines.into_iter();
        text.push_str(&lines.next().unwrap_or_default());
        for line in lines {
            // Writing to a String can't fail.
            let _ = write!(text, "\n{:<49}{line}", "");
        }
        text
    }
}

fn spaced(words: Vec<String>) -> Vec<String> {
    fill(words.into_iter(), WIDTH, " ")
}

fn wrapped(parts: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    fill(parts, width, "  ")
}

fn fill(parts: impl Iterator<Item = String>, width: usize, between: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.len() + between.len() + part.len() <= width => {
                line.push_str(between);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const EXAMPLE: &str = include_str!("../../../config/eithergate.toml");

    fn row(formats: &str, bits: u8, raw: &str) -> Row {
        let text = EXAMPLE.replace("formats = [\"h10301\"]", formats);
        let config = Config::parse(&text, Path::new("/etc/eithergate"));
        let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
        let sound = Sound::Frame { bits, raw: Some(raw.into()) };
        let heard = Heard { t_us: Instant(5), reader: "entrance".into(), sound };
        let row = Row::of(&heard, &config);
        for line in row.to_table().lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
        row
    }

    fn json(row: &Row) -> serde_json::Value {
        serde_json::to_value(row).unwrap_or_default()
    }

    #[test]
    fn a_known_card_gets_its_numbers_and_a_line_to_paste() {
        let here = row("formats = [\"h10301\"]", 26, "2f623ae");
        assert_eq!((here.note.as_deref(), here.config.len()), (Some("as configured"), 0));
        let other = row("formats = [\"h10306\"]", 26, "2f623ae");
        assert_eq!(other.config, ["formats = [\"h10301\"]"]);
        let json = json(&other);
        let candidate = &json["candidates"][0];
        assert_eq!((&candidate["facility"], &candidate["number"]), (&123.into(), &4567.into()));
        assert_eq!(candidate["notations"]["3+5"], "123,04567");
        let table = other.to_table();
        assert!(table.contains("h10301  facility 123  number 4567"), "{table}");
        assert!(table.contains("paste: formats = [\"h10301\"]"), "{table}");
    }

    #[test]
    fn exchanged_wires_are_noticed_and_nothing_is_guessed() {
        // Every bit of the frame above the other way round.
        let swapped = row("formats = [\"h10301\"]", 26, "109dc51");
        assert_eq!(swapped.fault, Some(ReadFault::Swapped));
        assert!(swapped.candidates.is_empty() && swapped.config.is_empty());
        assert!(swapped.to_table().contains("exchange D0 and D1"));
        let altered = row("formats = [\"h10301\"]", 26, "2f623ac");
        assert_eq!(altered.fault, Some(ReadFault::Parity));
        assert!(altered.candidates.is_empty());
        assert_eq!(row("formats = [\"h10301\"]", 29, "1").fault, Some(ReadFault::Length));
    }

    #[test]
    fn what_may_be_a_key_is_not_shown_but_its_option_is() {
        let sound = Sound::Frame { bits: 4, raw: None };
        let heard = Heard { t_us: Instant(5), reader: "entrance".into(), sound };
        let config = Config::parse(EXAMPLE, Path::new("/etc/eithergate"));
        let row = Row::of(&heard, &config.unwrap_or_else(|m| panic!("{m:#?}")));
        assert_eq!((row.raw, row.config), (None, vec!["keypad = 4".to_owned()]));
    }
}
