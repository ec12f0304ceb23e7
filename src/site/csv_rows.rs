//! A card file's columns and lines, before any meaning: which columns there are, and that none of them is
//! personal data.

use super::ImportError;
use super::personal::{is_mobile, is_personal_header, is_resident_id};

/// More than a million cards.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// The columns an import knows, and what they hold.
pub(super) const COLUMNS: [(&str, &str); 15] = [
    ("format", "the card's format, or the kind of its serial"),
    ("facility", "facility code as printed"),
    ("number", "card number as printed"),
    ("whole_number", "instead of both: all data bits as one decimal number"),
    ("notation", "how number is written, e.g. 10D, 8H, 3+5 or 8H-reversed"),
    ("subject", "the resident's id, 32 hex digits; made up if absent"),
    ("face", "yes if the resident chose the face as well"),
    ("gates", "gates separated by ';'; all if empty"),
    ("from", "not before this date or time"),
    ("until", "until the end of this day, or before this time"),
    ("pin", "4 to 8 digits for readers that ask for them; none if empty"),
    ("duress_pin", "other digits, typed under threat: opens, and calls for help unseen"),
    ("uses", "how often it may be used at each gate, 1 to 65535; no limit if empty"),
    ("profile", "number of the weekly profile it holds in; always if empty"),
    ("extended", "yes if doors are to stay open longer"),
];

/// The order of `COLUMNS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Format,
    Facility,
    Number,
    WholeNumber,
    Notation,
    Subject,
    Face,
    Gates,
    From,
    Until,
    Pin,
    DuressPin,
    Uses,
    Profile,
    Extended,
}

/// One line of the file.
pub(super) struct Row {
    /// Counted from 1, the header included.
    pub(super) line: u64,
    cells: Vec<String>,
}

/// There may be PINs in it.
impl Drop for Row {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.cells);
    }
}

/// The whole file as text, none of it understood yet.
pub(super) struct Rows {
    /// Where each of `COLUMNS` is in the file.
    places: [Option<usize>; COLUMNS.len()],
    width: usize,
    pub(super) rows: Vec<Row>,
}

impl Rows {
    /// `None` if the file has no such column; an empty cell is an empty text.
    pub(super) fn cell<'a>(&self, row: &'a Row, column: Column) -> Option<&'a str> {
        let place = (*self.places.get(column as usize)?)?;
        row.cells.get(place).map(String::as_str)
    }

    /// Whether the line has as many cells as the header.
    pub(super) fn is_whole(&self, row: &Row) -> bool {
        row.cells.len() == self.width
    }

    /// Reads a file and refuses personal data before anything else is said of it.
    pub(super) fn read(bytes: &[u8], numbers_are_cards: bool) -> Result<Self, ImportError> {
        if bytes.len() > MAX_BYTES {
            return Err(ImportError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ImportError::NotUtf8)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let headers = reader.headers().map_err(|_| ImportError::NoHeader)?.clone();
        if headers.iter().all(str::is_empty) {
            return Err(ImportError::NoHeader);
        }
        let places = places(&headers)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|_| ImportError::NotUtf8)?;
            let line = record.position().map_or(0, csv::Position::line);
            let cells: Vec<String> = record.iter().map(str::to_owned).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push(Row { line, cells });
            }
        }
        let all = Self { places, width: headers.len(), rows };
        all.refuse_personal(&headers, numbers_are_cards)?;
        Ok(all)
    }

    fn refuse_personal(
        &self,
        headers: &csv::StringRecord,
        numbers_are_cards: bool,
    ) -> Result<(), ImportError> {
        let widest = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let numbers = [Column::Number, Column::WholeNumber];
        for place in 0..widest {
            let name = || column_name(place, headers.get(place).unwrap_or_default());
            let cells = || self.rows.iter().filter_map(|row| row.cells.get(place));
            if cells().any(|cell| is_resident_id(cell)) {
                let what = "identity-card numbers";
                return Err(ImportError::Personal { column: name(), what, hint: "" });
            }
            let mobiles = cells().filter(|cell| is_mobile(cell)).count();
            let filled = cells().filter(|cell| !cell.is_empty()).count();
            // A long card number can happen to look like a mobile one; a column of them can't.
            let number = numbers.iter().any(|c| self.places.get(*c as usize) == Some(&Some(place)));
            let tolerated = number && (numbers_are_cards || 2 * mobiles <= filled);
            if mobiles > 0 && !tolerated {
                let hint = if number {
                    " If they really are card numbers, add --numbers-are-cards."
                } else {
                    ""
                };
                let what = "mobile phone numbers";
                return Err(ImportError::Personal { column: name(), what, hint });
            }
        }
        Ok(())
    }
}

/// How a column is named in an error: by its place, and by its header unless that has digits, since a file
/// without a header line begins with data.
fn column_name(place: usize, header: &str) -> String {
    let sound = |c: char| c.is_alphabetic() || matches!(c, ' ' | '_' | '-' | '.');
    if !header.is_empty() && header.chars().count() <= 40 && header.chars().all(sound) {
        format!("{} ({header})", place + 1)
    } else {
        format!("{}", place + 1)
    }
}

fn places(headers: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()], ImportError> {
    let mut places = [None; COLUMNS.len()];
    for (place, header) in headers.iter().enumerate() {
        if is_personal_header(header) || is_resident_id(header) || is_mobile(header) {
            let column = column_name(place, header);
            let what = "personal data by its header";
            return Err(ImportError::Personal { column, what, hint: "" });
        }
    }
    for (place, header) in headers.iter().enumerate() {
        let known = COLUMNS.iter().position(|(name, _)| header.eq_ignore_ascii_case(name));
        let slot = known.and_then(|known| places.get_mut(known));
        match slot {
            Some(slot @ None) => *slot = Some(place),
            Some(Some(_)) => return Err(ImportError::Twice(column_name(place, header))),
            None => return Err(ImportError::UnknownColumn(column_name(place, header))),
        }
    }
    let has = |column: Column| places.get(column as usize).is_some_and(Option::is_some);
    if !has(Column::Format) || !(has(Column::Number) || has(Column::WholeNumber)) {
        return Err(ImportError::Missing);
    }
    Ok(places)
}
