//! `[[reader]]` with `kind = "serial"`: a port and a framing.

use super::ports::{self, Ports};
use crate::config::raw::Section;
use crate::config::{NamedFraming, Serial};
use crate::wire::serial::PRESETS;

pub(super) fn reader(
    s: &Section<'_>,
    label: &str,
    framings: &[NamedFraming],
    ports: &mut Ports,
) -> Option<Serial> {
    let name = s.required_text("framing", "\"rdm6300\"");
    let preset = |name: &str| PRESETS.iter().find(|preset| preset.name == name);
    let baud = name.as_ref().and_then(|n| preset(&n.value)).map_or(9_600, |preset| preset.baud);
    let port = ports::port(s, baud, &format!("reader {label}"), ports);
    if let Some(wish) = s.text("assurance").filter(|wish| wish.value != "low") {
        let what =
            "a serial reader is never more than \"low\": whoever taps its cable has the card";
        s.note(wish.span, "assurance", what);
    }
    let name = name?;
    let own = framings.iter().find(|own| own.name == name.value).cloned();
    let framing = own.or_else(|| {
        let framing = preset(&name.value)?.framing()?;
        Some(NamedFraming { name: name.value.clone(), framing })
    });
    if framing.is_none() {
        let own = framings.iter().map(|own| own.name.as_str());
        let known: Vec<_> = PRESETS.iter().map(|preset| preset.name).chain(own).collect();
        let what = format!(
            "is no framing that makes sense; there are: {}; describe another in a [[framing]]",
            known.join(", ")
        );
        s.note(name.span, "framing", what);
    }
    Some(Serial { port: port?, framing: framing? })
}
