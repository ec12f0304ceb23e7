//! A card as somebody wrote it down, in a card file or on the command line, to the card it is.

use crate::domain::CardNumber;
use crate::wire::card::{KINDS, Part, View};
use crate::wire::format::{self, DoesNotFit, Format};
use crate::wire::notation::Notation;

/// The formats and the kinds of serials that a card can have here.
pub fn known_formats() -> String {
    let formats = format::builtins();
    let mut names: Vec<&str> = formats.iter().map(|format| format.name().as_str()).collect();
    // Some kinds of serials are formats too: a reader that sends all of one.
    let kinds = KINDS.iter().map(|(kind, _)| *kind);
    names.extend(kinds.filter(|kind| formats.iter().all(|format| format.name().as_str() != *kind)));
    names.join(", ")
}

/// The cells that say which card it is. No `Debug`: they hold a card number.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// A format's name, or a kind of serial.
    pub format: &'a str,
    /// How `number` is written.
    pub notation: Option<Notation>,
    pub facility: Option<&'a str>,
    pub number: Option<&'a str>,
    /// All data bits as one decimal number.
    pub whole_number: Option<&'a str>,
}

fn decimal(column: &str, text: &str) -> Result<u128, String> {
    let digits = (1..=38).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| format!("{column}: must be a decimal number"))
}

impl Written<'_> {
    /// The card, or what is wrong, without the number. `views` are the site's: a serial known in part needs a
    /// reader that compares by that part.
    pub fn read(self, formats: &[Format], views: &[View]) -> Result<CardNumber, String> {
        let name = self.format.to_ascii_lowercase();
        if let Ok(kind @ Part::Whole(_)) = name.parse() {
            return self.serial(&name, kind, views);
        }
        let format = formats.iter().find(|format| format.name().as_str() == name);
        match format {
            Some(format) => self.as_sent(&name, format),
            None => Err(format!("format: must be one of {}", known_formats())),
        }
    }

    /// The number in its notation: so many bits of it.
    fn in_notation(&self, notation: Notation, number: &str) -> Result<u128, String> {
        // A pair may come in two columns.
        let joined = self.facility.map(|facility| format!("{facility},{number}"));
        let text = joined.as_deref().unwrap_or(number);
        notation.read(text).map_err(|why| format!("number: {why} ({notation})"))
    }

    fn serial(&self, name: &str, kind: Part, views: &[View]) -> Result<CardNumber, String> {
        let (part, number) = match (self.number, self.whole_number, self.notation) {
            (None, Some(whole), _) if self.facility.is_none() => {
                let number = decimal("whole_number", whole)?;
                if number >> kind.bits() != 0 {
                    return Err(format!("whole_number: is too large for {name}"));
                }
                (kind, number)
            }
            (Some(number), None, Some(notation)) => {
                let number = self.in_notation(notation, number)?;
                let bits = notation.bits();
                if bits > kind.bits() {
                    return Err(format!("notation: {notation} has more bits than {name}"));
                }
                (if bits == kind.bits() { kind } else { Part::Low(bits) }, number)
            }
            (Some(_), None, None) => {
                return Err(format!(
                    "notation: say how the number is written (10D, 8H, 3+5, ...), or give all {} bits as \
                     whole_number",
                    kind.bits()
                ));
            }
            (None, None, _) => return Err("number: is empty".into()),
            _ => {
                let why = "takes the place of facility and number, not both";
                return Err(format!("whole_number: {why}"));
            }
        };
        if part.is_cut() && views.iter().all(|view| view.part != part) {
            return Err(format!(
                "number: gives the last {} of {} bits only. If the readers here are to go by them, run \
                 `eithergate site view add {part}` first; if not, enrol the whole serial",
                part.bits(),
                kind.bits()
            ));
        }
        part.card(number).ok_or_else(|| format!("format: {name} can't hold it"))
    }

    fn as_sent(&self, name: &str, format: &Format) -> Result<CardNumber, String> {
        let facility = self.facility.map(|text| decimal("facility", text));
        let has_facility = format.encode(Some(1), 0).is_ok();
        let frame = match (self.number, self.whole_number, self.notation) {
            (Some(number), None, Some(notation)) if facility.is_none() => {
                if notation.bits() != format.data_bits() {
                    return Err(format!(
                        "notation: {notation} has {} bits, {name} has {}",
                        notation.bits(),
                        format.data_bits()
                    ));
                }
                format.encode_card(self.in_notation(notation, number)?).map_err(|_| "number")
            }
            (None, Some(whole), _) if facility.is_none() => {
                format.encode_card(decimal("whole_number", whole)?).map_err(|_| "whole_number")
            }
            (Some(_), None, None) if has_facility && facility.is_none() => {
                return Err(format!("facility: {name} needs it, or whole_number instead of both"));
            }
            (Some(number), None, _) => {
                let number = decimal("number", number);
                let facility = facility.transpose()?;
                format.encode(facility, number?).map_err(|why| match why {
                    DoesNotFit::Facility => "facility",
                    DoesNotFit::Number => "number",
                })
            }
            (None, None, _) => return Err("number: is empty".into()),
            (_, Some(_), _) => {
                let why = "takes the place of facility and number, not both";
                return Err(format!("whole_number: {why}"));
            }
        };
        let frame = frame.map_err(|column| format!("{column}: is too large for {name}"))?;
        format.card(frame).ok_or_else(|| format!("format: {name} can't hold it"))
    }
}
