//! From a card file to subjects: all of it or nothing.

use super::Subjects;
use super::csv_rows::{COLUMNS, Column, Row, Rows};
use super::looks::Looks;
use super::numbers::{Written, known_formats};
use super::when::{UtcOffset, parse_from, parse_until};
use crate::allowlist::CardKey;
use crate::domain::{CardNumber, GateId, Pin, SubjectId, WallTime};
use crate::wire::card::View;
use crate::wire::format::{self, Format};
use crate::wire::notation::Notation;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroU16;

/// So many bad lines are told of; the rest is counted.
const SHOWN: usize = 50;

/// One allowlist entry holds no more.
const MAX_CARDS: usize = 255;

/// Why a file was not imported. Nothing of it was taken over. No variant quotes a cell.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("is not UTF-8 text; save it as \"CSV UTF-8\" (or run: iconv -f GB18030 -t UTF-8)")]
    NotUtf8,
    #[error("is larger than 128 MB; split it")]
    TooLarge,
    #[error("has no header line; the first line names the columns.\n{}", known())]
    NoHeader,
    #[error(
        "column {column} holds {what}. A gate needs no personal data, so nothing was read. Remove the \
         column and import again; who a subject is stays in the office's own records.{hint}"
    )]
    Personal { column: String, what: &'static str, hint: &'static str },
    #[error("column {0} is not known; nothing was imported. Remove or rename it.\n{known}", known = known())]
    UnknownColumn(String),
    #[error("column {0} is there twice; nothing was imported")]
    Twice(String),
    #[error("lacks `format`, and `number` or `whole_number`; nothing was imported.\n{}", known())]
    Missing,
    #[error("{}", bad_lines(.first, *.more))]
    BadLines { first: Vec<BadLine>, more: usize },
}

/// A line that can't be imported, and why. It never quotes the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    pub line: u64,
    pub why: String,
}

fn known() -> String {
    let lines = COLUMNS.iter().map(|(name, what)| format!("  {name:<13} {what}"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("Known columns:\n{lines}\nKnown formats and kinds of serials: {}", known_formats())
}

fn bad_lines(first: &[BadLine], more: usize) -> String {
    let mut text = String::from("nothing was imported; mend these lines and import again:");
    for bad in first {
        text.push_str(&format!("\n  {bad}"));
    }
    if more > 0 {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    pub lines: usize,
    pub new_cards: usize,
    pub new_subjects: usize,
    /// Known subjects whose rights (everything but cards) are now other ones.
    pub changed_subjects: usize,
    /// Lines without a subject whose card a subject had already, known in another way.
    pub linked: usize,
    /// Lines whose card some reader here can't tell from another subject's: it opens there for neither.
    pub clashing: Vec<ClashingLine>,
}

/// A line whose card some reader takes for another subject's, and the part of the serial that they share.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClashingLine {
    pub line: u64,
    pub view: String,
}

/// The rights a line gives; `None` where the file has no such column, which leaves things as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    face: Option<bool>,
    gates: Option<Option<BTreeSet<GateId>>>,
    from: Option<Option<WallTime>>,
    until: Option<Option<WallTime>>,
    pin: Option<Option<Pin>>,
    duress: Option<Option<Pin>>,
    uses: Option<Option<NonZeroU16>>,
    profile: Option<Option<u8>>,
    extended: Option<bool>,
}

/// What an import is held against.
pub(super) struct Importer<'a> {
    pub(super) gates: &'a BTreeSet<GateId>,
    pub(super) offset: Option<UtcOffset>,
    /// How this site's readers present serials.
    pub(super) views: &'a [View],
    /// What PINs are hashed under.
    pub(super) card_key: &'a CardKey,
    pub(super) options: ImportOptions,
}

/// How a card file is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// The numbers look like mobile phone numbers but are cards.
    pub numbers_are_cards: bool,
    /// Where the file doesn't say it: how numbers are written.
    pub notation: Option<Notation>,
    /// A line without a subject is for whoever has this card, known in another way.
    pub link: bool,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
}

impl Importer<'_> {
    /// The subjects as they are after the import. `fresh` makes up ids.
    pub(super) fn import(
        &self,
        bytes: &[u8],
        mut subjects: Subjects,
        mut fresh: impl FnMut() -> SubjectId,
    ) -> Result<(Subjects, Imported), ImportError> {
        let rows = Rows::read(bytes, self.options.numbers_are_cards)?;
        let known: HashSet<SubjectId> = subjects.iter().map(|(subject, _)| *subject).collect();
        let formats = format::builtins();
        let mut looks = subjects.looks(self.views);
        let mut cards = Vec::new();
        let mut seen: HashMap<SubjectId, (u64, Rights)> = HashMap::new();
        let mut changed = HashSet::new();
        let mut done = Imported { lines: rows.rows.len(), ..Imported::default() };
        let (mut first, mut more) = (Vec::new(), 0);

        for row in &rows.rows {
            let outcome = (|| {
                let (card, named, rights) = self.parse(&rows, row, &formats)?;
                let holder = subjects.holder(&card);
                if holder.is_some() && named.is_some() && holder != named {
                    return Err("this card belongs to another subject".to_owned());
                }
                let as_known = match holder {
                    Some(_) => None,
                    None => self.known_otherwise(&looks, &card, named)?,
                };
                done.linked += usize::from(as_known.is_some() && named.is_none());
                let subject = named.or(holder).or(as_known).unwrap_or_else(&mut fresh);
                if let Some((line, before)) = seen.get(&subject) {
                    if *before != rights {
                        return Err(format!(
                            "the rights differ from those of line {line} for the same subject"
                        ));
                    }
                } else {
                    seen.insert(subject, (row.line, rights.clone()));
                }
                if subjects.give(subject, card.clone()) == Ok(true) {
                    looks.note(subject, &card);
                    done.new_cards += 1;
                }
                cards.push((row.line, card));
                let resident = subjects.entry(subject);
                if resident.cards.len() > MAX_CARDS {
                    return Err(format!("a subject has at most {MAX_CARDS} cards"));
                }
                let before = resident.rights();
                resident.face = rights.face.unwrap_or(resident.face);
                resident.gates = rights.gates.unwrap_or_else(|| resident.gates.clone());
                resident.from = rights.from.unwrap_or(resident.from);
                resident.until = rights.until.unwrap_or(resident.until);
                if let Some(pin) = &rights.pin {
                    resident.pin = pin.as_ref().map(|pin| self.card_key.pin(&subject, pin));
                }
                if let Some(pin) = &rights.duress {
                    resident.duress = pin.as_ref().map(|pin| self.card_key.pin(&subject, pin));
                }
                resident.uses = rights.uses.unwrap_or(resident.uses);
                resident.profile = rights.profile.unwrap_or(resident.profile);
                resident.extended = rights.extended.unwrap_or(resident.extended);
                if resident.duress.is_some() && resident.pin.is_none() {
                    return Err("duress_pin: goes with a pin; without one, leave it empty".into());
                }
                if resident.duress.is_some() && resident.duress == resident.pin {
                    return Err("duress_pin: must be another one than pin".into());
                }
                if resident.from.zip(resident.until).is_some_and(|(from, until)| from >= until) {
                    return Err("until: is not after from".to_owned());
                }
                if before != resident.rights() && known.contains(&subject) {
                    changed.insert(subject);
                }
                Ok(())
            })();
            match outcome {
                Ok(()) => {}
                Err(why) if first.len() < SHOWN => first.push(BadLine { line: row.line, why }),
                Err(_) => more += 1,
            }
        }
        if !first.is_empty() {
            return Err(ImportError::BadLines { first, more });
        }
        done.new_subjects = subjects.len().saturating_sub(known.len());
        done.changed_subjects = changed.len();
        for (line, card) in cards {
            let view =
                |part: crate::wire::card::Part| ClashingLine { line, view: part.to_string() };
            done.clashing.extend(looks.clashes_of(&card).into_iter().map(view));
        }
        Ok((subjects, done))
    }

    /// Who has this card already, known in another way: the same number as another panel prints it, a part of
    /// this serial, or the whole of it.
    fn known_otherwise(
        &self,
        looks: &Looks,
        card: &CardNumber,
        named: Option<SubjectId>,
    ) -> Result<Option<SubjectId>, String> {
        let holders = looks.holders_of_same(card);
        match (holders.as_slice(), named) {
            ([], _) => Ok(None),
            ([(one, _)], Some(named)) if *one == named => Ok(Some(*one)),
            (held, Some(named)) => {
                let part = held.iter().find(|(subject, _)| *subject != named).map(|(_, part)| part);
                let part = part.map(ToString::to_string).unwrap_or_default();
                Err(format!(
                    "by its {part} this is a card of another subject as far as anybody here knows; enrol that one \
                     by its whole serial if it is another card"
                ))
            }
            ([(one, _)], None) if self.options.link => Ok(Some(*one)),
            ([(_, part)], None) => Err(format!(
                "by its {part} this is a card that a subject here has already; name that subject, or import with \
                 --link to give it such lines"
            )),
            (_, None) => {
                Err("this may be the card of several subjects here; name the one".to_owned())
            }
        }
    }

    fn parse(
        &self,
        rows: &Rows,
        row: &Row,
        formats: &[Format],
    ) -> Result<(CardNumber, Option<SubjectId>, Rights), String> {
        if !rows.is_whole(row) {
            return Err("has more or fewer cells than the header line".into());
        }
        let cell = |column| rows.cell(row, column);
        let filled = |column| cell(column).filter(|text| !text.is_empty());
        let notation = filled(Column::Notation)
            .map(|text| text.parse().map_err(|why| format!("notation: {why}")))
            .transpose()?;
        let card = Written {
            format: filled(Column::Format).unwrap_or_default(),
            notation: notation.or(self.options.notation),
            facility: filled(Column::Facility),
            number: filled(Column::Number),
            whole_number: filled(Column::WholeNumber),
        }
        .read(formats, self.views)?;
        let subject = filled(Column::Subject)
            .map(|text| text.to_ascii_lowercase().parse().map_err(|why| format!("subject: {why}")))
            .transpose()?;
        let yes_or_no = |column, name| match cell(column).map(str::to_lowercase).as_deref() {
            None => Ok(None),
            Some("yes" | "y" | "1" | "true" | "是") => Ok(Some(true)),
            Some("" | "no" | "n" | "0" | "false" | "否") => Ok(Some(false)),
            Some(_) => Err(format!("{name}: must be yes or no")),
        };
        let face = yes_or_no(Column::Face, "face")?;
        let extended = yes_or_no(Column::Extended, "extended")?;
        let gates = cell(Column::Gates).map(|text| self.parse_gates(text)).transpose()?;
        let time = |column, name: &str, parse: TimeParser| match cell(column) {
            None => Ok(None),
            Some("") => Ok(Some(None)),
            Some(text) => match parse(text, self.offset) {
                Ok(time) => Ok(Some(Some(time))),
                Err(why) => Err(format!("{name}: {why}")),
            },
        };
        let from = time(Column::From, "from", parse_from)?;
        let until = time(Column::Until, "until", parse_until)?;
        let secret = |column, name| match cell(column) {
            None => Ok(None),
            Some("") => Ok(Some(None)),
            Some(text) => pin(text).map(|pin| Some(Some(pin))).map_err(|e| format!("{name}: {e}")),
        };
        let pin = secret(Column::Pin, "pin")?;
        let duress = secret(Column::DuressPin, "duress_pin")?;
        let uses = number(cell(Column::Uses), "uses: must be 1 to 65535")?;
        let profile = number(cell(Column::Profile), "profile: must be a number, 0 to 255")?;
        let rights = Rights { face, gates, from, until, pin, duress, uses, profile, extended };
        Ok((card, subject, rights))
    }

    fn parse_gates(&self, text: &str) -> Result<Option<BTreeSet<GateId>>, String> {
        let mut gates = BTreeSet::new();
        for name in text.split(';').map(str::trim).filter(|name| !name.is_empty()) {
            let gate = name.parse().ok().filter(|gate| self.gates.contains(gate));
            gates.insert(
                gate.ok_or("gates: a gate this site doesn't have; `site gate add` it first")?,
            );
        }
        Ok((!gates.is_empty()).then_some(gates))
    }
}

/// A cell with a number, as an import has it: no such column, an empty cell, the number.
fn number<N: std::str::FromStr>(
    cell: Option<&str>,
    must: &str,
) -> Result<Option<Option<N>>, String> {
    match cell {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => text.parse().map(|n| Some(Some(n))).map_err(|_| must.to_owned()),
    }
}

type TimeParser = fn(&str, Option<UtcOffset>) -> Result<WallTime, super::BadTime>;

/// A PIN that is worth having. The reason never quotes it.
fn pin(text: &str) -> Result<Pin, String> {
    let long_enough = (4..=8).contains(&text.len());
    let pin: Option<Pin> = text.parse().ok().filter(|_| long_enough);
    let pin = pin.ok_or("must be 4 to 8 digits (did a spreadsheet drop a leading zero?)")?;
    let step = |step: u8| pin.digits().windows(2).all(|w| w[1] == (w[0] + step) % 10);
    if step(0) || step(1) || step(9) {
        return Err(
            "is one of the first that anybody tries (0000, 1234, 4321): choose another".into()
        );
    }
    if pin.digits().windows(3).all(|w| w[0] == w[2]) {
        return Err("repeats two digits, as 1212 does: choose another".into());
    }
    Ok(pin)
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
