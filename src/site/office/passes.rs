//! One card at a time, and visitors' passes: rights that end by themselves, for cards that are given out again.

use super::{Office, SiteError, random_subject};
use crate::domain::{GateId, WallTime};
use crate::site::import::{ImportError, ImportOptions, Imported};
use crate::site::numbers::Written;
use crate::site::subjects::Resident;
use crate::site::when::{Span, parse_from, to_rfc3339};
use crate::wire::format;
use std::collections::BTreeSet;
use std::num::NonZeroU16;

/// A line of a card file: its columns and what stands there.
pub type Cells<'a> = Vec<(&'static str, &'a str)>;

/// A visitor's right. It ends by `until` or `lasting`; one of both is to be there.
pub struct NewPass<'a> {
    pub written: Written<'a>,
    /// All if none is named.
    pub gates: &'a [GateId],
    pub from: Option<&'a str>,
    pub until: Option<&'a str>,
    /// From its beginning, or from now.
    pub lasting: Option<Span>,
    /// At each gate.
    pub uses: Option<NonZeroU16>,
    pub profile: Option<u8>,
    pub extended: bool,
    pub now: WallTime,
}

/// A pass that was given out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PassRow {
    pub from: Option<WallTime>,
    pub until: Option<WallTime>,
    pub uses: Option<NonZeroU16>,
    pub gates: Option<BTreeSet<GateId>>,
    /// At the time asked for: it has ended.
    pub over: bool,
}

impl PassRow {
    fn of(resident: &Resident, now: WallTime) -> Self {
        let Resident { from, until, uses, gates, .. } = resident.clone();
        Self { from, until, uses, gates, over: until.is_some_and(|until| until <= now) }
    }
}

/// The line as a file of its own.
fn file(cells: &Cells<'_>) -> Result<Vec<u8>, SiteError> {
    let wrong = |e: String| SiteError::NotAdded(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells.iter().map(|(name, _)| name)).map_err(|e| wrong(e.to_string()))?;
    writer.write_record(cells.iter().map(|(_, cell)| cell)).map_err(|e| wrong(e.to_string()))?;
    writer.into_inner().map_err(|e| wrong(e.to_string()))
}

/// There is only one line, so nobody needs its number.
fn only_line(error: SiteError) -> SiteError {
    match error {
        SiteError::Import(ImportError::BadLines { first, .. }) => {
            let whys: Vec<_> = first.into_iter().map(|line| line.why).collect();
            SiteError::NotAdded(whys.join("; "))
        }
        other => other,
    }
}

impl Office {
    /// Takes over one card with its rights, as a card file of one line would.
    pub fn add_card(
        &self,
        cells: &Cells<'_>,
        options: ImportOptions,
    ) -> Result<Imported, SiteError> {
        self.import(&file(cells)?, options).map_err(only_line)
    }

    /// Gives out a pass. A card that had one before goes to the new one, as somebody else: whoever had it
    /// before has neither its uses nor its place.
    pub fn add_pass(&self, new: &NewPass<'_>) -> Result<PassRow, SiteError> {
        let mut subjects = self.subjects()?;
        let card = new.written.read(&format::builtins(), &self.views).map_err(SiteError::NoCard)?;
        let looks = subjects.looks(&self.views);
        let mut before = Vec::new();
        for (_, resident) in subjects.iter() {
            let same: Vec<_> =
                resident.cards.iter().filter(|other| looks.same(&card, other)).collect();
            if !same.is_empty() && !resident.pass {
                return Err(SiteError::NoPass);
            }
            before.extend(same.into_iter().cloned());
        }
        for card in &before {
            subjects.take(card).map_err(|_| SiteError::CardUnknown)?;
        }

        let not_added =
            |what: &str, why: crate::site::BadTime| SiteError::NotAdded(format!("{what} {why}"));
        let offset = self.offset()?;
        let from =
            new.from.map(|from| parse_from(from, offset).map_err(|e| not_added("--from", e)));
        let begins = from.transpose()?.unwrap_or(new.now);
        let ends =
            new.lasting.map(|Span(s)| WallTime::from_secs(begins.as_secs().saturating_add(s)));
        let until = ends.map(to_rfc3339);
        let until = until.as_deref().or(new.until);
        let until = until
            .ok_or_else(|| SiteError::NotAdded("a pass has an end: --for or --until".into()))?;

        let subject = random_subject();
        let gates = new.gates.iter().map(GateId::as_str).collect::<Vec<_>>().join(";");
        let uses = new.uses.map(|uses| uses.to_string()).unwrap_or_default();
        let profile = new.profile.map(|profile| profile.to_string()).unwrap_or_default();
        let notation =
            new.written.notation.map(|notation| notation.to_string()).unwrap_or_default();
        let Written { format, facility, number, whole_number, .. } = new.written;
        let cells: Cells<'_> = vec![
            ("format", format),
            ("facility", facility.unwrap_or_default()),
            ("number", number.unwrap_or_default()),
            ("whole_number", whole_number.unwrap_or_default()),
            ("notation", &notation),
            ("gates", &gates),
            ("from", new.from.unwrap_or_default()),
            ("until", until),
            ("uses", &uses),
            ("profile", &profile),
            ("extended", if new.extended { "yes" } else { "no" }),
        ];
        let options = ImportOptions { numbers_are_cards: true, ..ImportOptions::default() };
        let taken = self.take_over(&file(&cells)?, options, subjects, || subject);
        let (mut subjects, _) = taken.map_err(only_line)?;
        let pass = subjects.entry(subject);
        pass.pass = true;
        let row = PassRow::of(pass, new.now);
        if row.over {
            return Err(SiteError::NotAdded("the pass would be over already".into()));
        }
        self.save_subjects(&subjects)?;
        Ok(row)
    }

    /// Passes that were given out, the next to end first.
    pub fn passes(&self, now: WallTime) -> Result<Vec<PassRow>, SiteError> {
        let subjects = self.subjects()?;
        let passes = subjects.iter().filter(|(_, resident)| resident.pass);
        let mut rows: Vec<_> = passes.map(|(_, pass)| PassRow::of(pass, now)).collect();
        rows.sort_by_key(|row| row.until);
        Ok(rows)
    }

    /// Forgets passes that are over; gives how many.
    pub fn clear_passes(&self, now: WallTime) -> Result<usize, SiteError> {
        let mut subjects = self.subjects()?;
        let over = |resident: &Resident| resident.pass && PassRow::of(resident, now).over;
        let ended = subjects.iter().filter(|(_, resident)| over(resident));
        let cards: Vec<_> = ended.flat_map(|(_, pass)| pass.cards.clone()).collect();
        let before = subjects.len();
        for card in &cards {
            subjects.take(card).map_err(|_| SiteError::CardUnknown)?;
        }
        self.save_subjects(&subjects)?;
        Ok(before - subjects.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Init;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const NOW: WallTime = WallTime::from_secs(1_795_000_000);

    fn office(dir: &std::path::Path) -> Result<Office, Box<dyn std::error::Error>> {
        let utc_offset = Some("+08:00".parse()?);
        let init = Init { name: "garden".parse()?, utc_offset, now: NOW };
        let mut office = Office::init(&dir.join("site"), &init)?;
        office.add_gate(&"north".parse()?, &dir.join("north"))?;
        Ok(office)
    }

    fn written(number: &str) -> Written<'_> {
        let (facility, number) = (Some("123"), Some(number));
        Written { format: "h10301", notation: None, facility, number, whole_number: None }
    }

    fn pass(number: &str) -> NewPass<'_> {
        NewPass {
            written: written(number),
            gates: &[],
            from: None,
            until: None,
            lasting: Some(Span(4 * 3_600)),
            uses: NonZeroU16::new(2),
            profile: None,
            extended: false,
            now: NOW,
        }
    }

    #[test]
    fn a_visitor_s_card_is_somebody_else_s_each_time() -> Outcome {
        let dir = tempfile::tempdir()?;
        let office = office(dir.path())?;
        let row = office.add_pass(&pass("4567"))?;
        assert_eq!(row.until, Some(WallTime::from_secs(NOW.as_secs() + 14_400)));
        assert_eq!((row.uses.map(NonZeroU16::get), row.over), (Some(2), false));
        let id = |office: &Office| -> Result<Vec<_>, SiteError> {
            Ok(office.subjects()?.iter().map(|(id, _)| *id).collect())
        };
        let first = id(&office)?;
        office.add_pass(&pass("4567"))?;
        let second = id(&office)?;
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first, second, "the uses of the one before would count");

        let later = WallTime::from_secs(NOW.as_secs() + 14_400);
        assert_eq!(office.clear_passes(NOW)?, 0);
        assert!(office.passes(later)?.iter().all(|row| row.over));
        assert_eq!(office.clear_passes(later)?, 1);
        assert!(office.passes(later)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_resident_s_card_is_no_pass_and_a_pass_has_an_end() -> Outcome {
        let dir = tempfile::tempdir()?;
        let office = office(dir.path())?;
        let cells = vec![("format", "h10301"), ("facility", "123"), ("number", "4567")];
        assert_eq!(office.add_card(&cells, ImportOptions::default())?.new_cards, 1);
        assert!(matches!(office.add_pass(&pass("4567")), Err(SiteError::NoPass)));
        let why = |new: NewPass<'_>| office.add_pass(&new).err().map(|e| e.to_string());
        let says = |new, what: &str| why(new).is_some_and(|why| why.contains(what));
        assert!(says(NewPass { lasting: None, ..pass("4568") }, "has an end"));
        assert!(says(NewPass { from: Some("soon"), ..pass("4568") }, "--from must be a date"));
        let ago = NewPass { lasting: None, until: Some("2020-01-01"), ..pass("4568") };
        assert!(says(ago, "over already"));
        let south = ["south".parse()?];
        assert!(says(NewPass { gates: &south, ..pass("4568") }, "a gate this site doesn't have"));
        let wrong = vec![("format", "h10301"), ("facility", "999"), ("number", "4567")];
        let refused =
            office.add_card(&wrong, ImportOptions::default()).err().map(|e| e.to_string());
        assert!(refused.is_some_and(|why| !why.contains("line")));
        assert_eq!(office.subjects()?.len(), 1, "nothing was changed");
        Ok(())
    }
}
