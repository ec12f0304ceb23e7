//! `[[format]]`: card formats of this gate's own, beside the built-in ones.

use crate::config::raw::Section;
use crate::wire::card::{is_reserved, serial_bits};
use crate::wire::format::{Format, Place, Written, builtins};

/// All formats a reader here may name, the built-in ones first.
pub(super) fn formats(sections: Vec<Section<'_>>) -> Vec<Format> {
    let mut formats = builtins();
    for s in sections {
        formats.extend(format(s, &formats));
    }
    formats
}

fn format(s: Section<'_>, known: &[Format]) -> Option<Format> {
    let format = checked(&s, known);
    s.finish();
    format
}

fn checked(s: &Section<'_>, known: &[Format]) -> Option<Format> {
    let name = s.required_text("name", "\"own-30\"");
    let layout = s.required_text("layout", "\"PFFFFFFFFNNNNNNNNNNNNNNNNP\", a letter for each bit");
    let parity = s.texts("parity").map(|list| list.value).unwrap_or_default();
    let (name, layout) = (name?, layout?);
    if known.iter().any(|format| format.name().as_str() == name.value) {
        let what =
            "is another format's name: give this one its own, since cards are enrolled by it";
        s.note(name.span, "name", what);
        return None;
    }
    if is_reserved(&name.value) || serial_bits(&name.value).is_some() {
        s.note(name.span, "name", "is a serial's or a part's name: give this format its own");
        return None;
    }
    let written = Written {
        name: name.value,
        layout: layout.value,
        parity: parity.iter().map(|line| line.value.clone()).collect(),
    };
    match written.parse() {
        Ok(format) => Some(format),
        Err(bad) => {
            let (key, span) = match bad.place {
                Place::Name => ("name", name.span),
                Place::Layout => ("layout", layout.span),
                Place::Parity(i) => ("parity", parity.get(i).map_or(s.span(), |l| l.span.clone())),
            };
            s.note(span, key, bad.why);
            None
        }
    }
}
