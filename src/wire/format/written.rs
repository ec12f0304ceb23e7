//! Formats as people write them: a layout and its parities, one letter for each bit, to be laid beside a data
//! sheet. What never enters: frames, and where the text came from.

use super::{Format, Parity};
use crate::wire::wiegand::{MAX_BITS, low_bits};
use serde::Deserialize;

/// One `[[format]]`; `config/formats.toml` says what the letters mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub layout: String,
    #[serde(default)]
    pub parity: Vec<String>,
}

/// What of a [`Written`] is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Name,
    Layout,
    /// The parity line with this index.
    Parity(usize),
}

/// Why a [`Written`] makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadFormat {
    pub place: Place,
    pub why: String,
}

/// The formats of a whole file of `[[format]]` sections.
pub fn parse_all(text: &str) -> Result<Vec<Format>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        format: Vec<Written>,
    }
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    file.format
        .iter()
        .map(|f| f.parse().map_err(|bad| format!("format {:?}: {bad}", f.name)))
        .collect()
}

/// The bits of a line that one of `letters` stands at.
fn mask(line: &str, letters: &[u8]) -> u128 {
    line.bytes().fold(0, |mask, letter| mask << 1 | u128::from(letters.contains(&letter)))
}

/// A line without its spaces, if it has no other letters than these and is not too long.
fn line_of(text: &str, letters: &str) -> Result<String, String> {
    let line: String = text.chars().filter(|c| *c != ' ').collect();
    if let Some((at, odd)) = line.chars().enumerate().find(|(_, c)| !letters.contains(*c)) {
        let known: Vec<String> = letters.chars().map(String::from).collect();
        return Err(format!("bit {} is {odd:?}; there are: {}", at + 1, known.join(" ")));
    }
    if line.is_empty() || line.len() > MAX_BITS.into() {
        return Err(format!("has {} bits; a format has 1 to {MAX_BITS}", line.len()));
    }
    Ok(line)
}

impl Written {
    pub fn parse(&self) -> Result<Format, BadFormat> {
        let bad = |place| move |why| BadFormat { place, why };
        let name = self.name.parse().map_err(|e| bad(Place::Name)(format!("{e}")))?;
        let layout = line_of(&self.layout, "FNP01.").map_err(bad(Place::Layout))?;
        let number = mask(&layout, b"N");
        if number == 0 {
            return Err(bad(Place::Layout)("has no N, and so no card number".into()));
        }
        let parity_bits = mask(&layout, b"P");
        let mut parities: Vec<Parity> = Vec::new();
        for (i, text) in self.parity.iter().enumerate() {
            let parity = parity(text, &layout, &parities).map_err(bad(Place::Parity(i)))?;
            parities.push(parity);
        }
        let told = parities.iter().fold(0, |told, p| told | p.bit);
        if told != parity_bits {
            let at = layout.len() as u32 - (parity_bits & !told).ilog2();
            let why = format!("bit {at} is P, and no parity line has its P there");
            return Err(bad(Place::Layout)(why));
        }
        let bits = layout.len() as u8;
        let fixed = mask(&layout, b"01");
        Ok(Format {
            name,
            bits,
            facility: mask(&layout, b"F"),
            number,
            fixed,
            fixed_value: mask(&layout, b"1"),
            data: low_bits(bits) & !parity_bits & !fixed,
            parities,
        })
    }
}

/// One parity line; `before` are those above it.
fn parity(text: &str, layout: &str, before: &[Parity]) -> Result<Parity, String> {
    let (odd, line) = match text.trim().split_once(' ') {
        Some(("even", line)) => (false, line),
        Some(("odd", line)) => (true, line),
        _ => return Err("must begin with even or odd, and a space".into()),
    };
    let line = line_of(line, "PX.")?;
    if line.len() != layout.len() {
        return Err(format!("has {} bits, the layout has {}", line.len(), layout.len()));
    }
    let (bit, over) = (mask(&line, b"P"), mask(&line, b"X"));
    if !bit.is_power_of_two() {
        return Err("must have one P, the parity bit itself".into());
    }
    if bit & mask(layout, b"P") == 0 {
        let at = line.find('P').unwrap_or_default() + 1;
        return Err(format!("has its P at bit {at}, where the layout has none"));
    }
    if before.iter().any(|p| p.bit == bit) {
        return Err("has its P where a line above has it".into());
    }
    if before.iter().any(|p| p.over & bit != 0) {
        return Err("is covered by a line above: put it before that one".into());
    }
    Ok(Parity { bit, over, odd })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(layout: &str, parity: &[&str]) -> (Place, String) {
        let parity = parity.iter().map(|line| line.to_string()).collect();
        let written = Written { name: "own".into(), layout: layout.into(), parity };
        let bad = written.parse().expect_err("nonsense");
        (bad.place, bad.why)
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        use Place::{Layout, Parity};
        let layout = |text: &str, why: &str| assert_eq!(bad(text, &[]), (Layout, why.into()));
        layout("", "has 0 bits; a format has 1 to 128");
        layout(&"N".repeat(129), "has 129 bits; a format has 1 to 128");
        layout("NNxN", "bit 3 is 'x'; there are: F N P 0 1 .");
        layout("NN\u{e9}", "bit 3 is '\u{e9}'; there are: F N P 0 1 .");
        layout("FF..01", "has no N, and so no card number");
        layout("PNNP", "bit 1 is P, and no parity line has its P there");
        let at = |lines: &[&str], line, why: &str| {
            assert_eq!(bad("PNNP", lines), (Parity(line), why.into()));
        };
        at(&["none PXX."], 0, "must begin with even or odd, and a space");
        at(&["odd"], 0, "must begin with even or odd, and a space");
        at(&["odd PXX"], 0, "has 3 bits, the layout has 4");
        at(&["odd PXN."], 0, "bit 3 is 'N'; there are: P X .");
        at(&["even XXX."], 0, "must have one P, the parity bit itself");
        at(&["even PXXP"], 0, "must have one P, the parity bit itself");
        at(&["even XPX."], 0, "has its P at bit 2, where the layout has none");
        at(&["even PXX.", "odd PXX."], 1, "has its P where a line above has it");
        at(&["even PXXX", "odd .XXP"], 1, "is covered by a line above: put it before that one");
        let name = Written { name: "My Own".into(), layout: "N".into(), parity: vec![] };
        assert_eq!(name.parse().map_err(|bad| bad.place), Err(Place::Name));
    }

    #[test]
    fn spaces_are_for_the_eye() {
        let with = "[[format]]\nname = 'own'\nlayout = 'P NN NN'\nparity = ['even  P XX XX']\n";
        let without = "[[format]]\nname = 'own'\nlayout = 'PNNNN'\nparity = ['even PXXXX']\n";
        assert_eq!(parse_all(with), parse_all(without));
        assert_eq!(parse_all(with).map(|formats| formats.len()), Ok(1));
    }

    #[test]
    fn a_misspelt_field_is_not_ignored() {
        let why = parse_all("[[format]]\nname = 'own'\nlayout = 'N'\nparities = []\n");
        assert!(why.is_err_and(|why| why.contains("parities")));
    }

    /// Fixed bits are checked and sent, and are no part of the card.
    #[test]
    fn fixed_bits() {
        let format = parse_all("[[format]]\nname = 'own'\nlayout = '10NN.N'\n").expect("good");
        let frame = format[0].encode_card(0b1011).expect("fits");
        assert_eq!(frame.value(), 0b10_1011);
        assert_eq!(format[0].fields(frame).map(|f| f.number), Some(0b101));
        let other = crate::wire::wiegand::Bits::new(0b11_1011, 6).expect("fits");
        assert!(!format[0].fits(other) && format[0].tells_swapped());
    }
}
