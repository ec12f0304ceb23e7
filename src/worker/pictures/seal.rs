//! Sealing a template where it is made, so that enrolment never holds one in the clear.

use crate::domain::SubjectId;
use crate::failure::Failure;
use crate::io::template_key;
use crate::vision::{Space, Template};
use crate::wire::template::{ModelHash, NONCE_LEN, Sealed, TemplateKey, open, seal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Far more than any gallery's templates take.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// A million comparisons between strangers are plenty; the work grows with the square of it.
const MAX_PEOPLE: usize = 1_000;

/// For whom, and with which key.
#[derive(clap::Args)]
pub struct Seal {
    /// Seal the templates with the key in this file and print
    /// {"subject","model","sealed"}, "sealed" in base64
    #[arg(long = "seal", value_name = "KEYFILE", requires = "subject")]
    key: Option<PathBuf>,
    /// Whose the templates are: 32 hex digits
    #[arg(long, value_name = "HEX", requires = "key")]
    subject: Option<SubjectId>,
}

pub struct Sealer {
    key: TemplateKey,
    subject: SubjectId,
}

impl Seal {
    /// `None` if nothing is to be sealed. The key is read before any picture.
    pub fn sealer(&self) -> Result<Option<Sealer>, Failure> {
        let (Some(path), Some(subject)) = (&self.key, self.subject) else { return Ok(None) };
        let key = template_key::read(path).map_err(|e| Failure::Config(e.to_string()))?;
        Ok(Some(Sealer { key, subject }))
    }
}

impl Sealer {
    pub fn json(&self, template: &Template) -> Result<serde_json::Value, Failure> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)
            .map_err(|e| Failure::Unavailable(format!("no randomness from the system: {e}")))?;
        let model = ModelHash(*template.model());
        let sealed = seal(&self.key, self.subject, &model, template.values(), nonce)
            .map_err(|e| Failure::Data(format!("a template can't be sealed: {e}")))?;
        Ok(json!({
            "subject": self.subject.to_hex(),
            "model": model.to_hex(),
            "sealed": STANDARD.encode(&sealed.bytes),
        }))
    }
}

/// A line of a file of templates, as [`Sealer::json`] gives it.
#[derive(Deserialize)]
struct Line {
    subject: String,
    sealed: String,
}

/// People's templates, and of how many enrolled these are a part.
pub(super) struct Gallery {
    pub people: Vec<Vec<Template>>,
    pub of: usize,
}

/// Opens a file of sealed templates, a line each, or standard input (`-`): for measuring how far apart those
/// enrolled are. Of more than [`MAX_PEOPLE`] some are taken, evenly over the file.
pub(super) fn open_all(file: &Path, key: &Path, space: &Space) -> Result<Gallery, Failure> {
    let key = template_key::read(key).map_err(|e| Failure::Config(e.to_string()))?;
    let no_input = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", file.display()));
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().take(MAX_FILE_BYTES + 1).read_to_string(&mut text),
        _ => std::fs::File::open(file)
            .and_then(|from| from.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)),
    };
    if read.map_err(no_input)? as u64 > MAX_FILE_BYTES {
        return Err(Failure::Data(format!("{}: is larger than any gallery", file.display())));
    }
    let bad = |number: usize, why: &str| {
        Failure::Data(format!("{}: line {}: {why}", file.display(), number + 1))
    };
    let mut places: HashMap<SubjectId, usize> = HashMap::new();
    let mut people: Vec<Vec<(usize, Sealed)>> = Vec::new();
    let mut others = 0;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|_| {
            bad(number, "is not what `face embed --seal` and `subject export` print")
        })?;
        let subject = line.subject.parse();
        let subject: SubjectId =
            subject.map_err(|_| bad(number, "subject is not 32 hex digits"))?;
        let bytes = STANDARD.decode(&line.sealed);
        let bytes = bytes.map_err(|_| bad(number, "sealed is not base64"))?;
        let sealed = Sealed { subject, bytes };
        // While a site changes its model, some people have templates of either.
        if sealed.model().is_some_and(|model| model.0 != space.model) {
            others += 1;
            continue;
        }
        let place = *places.entry(subject).or_insert(people.len());
        people.resize_with(people.len().max(place + 1), Vec::new);
        people[place].push((number, sealed));
    }
    if others > 0 {
        eprintln!("{others} templates made with another embedding model were left out");
    }
    let of = people.len();
    let opened = |(number, sealed): &(usize, Sealed)| {
        let numbers = open(&key, sealed, &ModelHash(space.model));
        let mut numbers = numbers.map_err(|e| bad(*number, &e.to_string()))?;
        Template::new(space.model, std::mem::take(&mut *numbers))
            .map_err(|e| bad(*number, &e.to_string()))
    };
    let some = of.min(MAX_PEOPLE);
    let people = (0..some)
        .filter_map(|i| people.get(i * of / some))
        .map(|templates| templates.iter().map(opened).collect())
        .collect::<Result<_, _>>()?;
    Ok(Gallery { people, of })
}
