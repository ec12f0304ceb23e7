//! Sealing a template where it is made, so that enrolment never holds one in the clear.

use super::evidence::Seen;
use crate::domain::SubjectId;
use crate::failure::Failure;
use crate::io::template_key;
use crate::vision::{Space, Template};
use crate::wire::template::{ModelHash, NONCE_LEN, Sealed, TemplateKey, open, seal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Far more than any gallery's templates take.
const MAX_FILE_BYTES: u64 = 256 << 20;

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

/// Opens a file of sealed templates, a line each: for measuring how far apart those enrolled are. Each stands for
/// a presentation of its subject as well.
pub(super) fn open_all(file: &Path, key: &Path, space: &Space) -> Result<Vec<Seen>, Failure> {
    let key = template_key::read(key).map_err(|e| Failure::Config(e.to_string()))?;
    let no_input = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", file.display()));
    let size = std::fs::metadata(file).map_err(no_input)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Failure::Data(format!("{}: is larger than any gallery", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(no_input)?;
    let mut subjects: Vec<SubjectId> = Vec::new();
    let mut seen = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad =
            |why: &str| Failure::Data(format!("{}: line {}: {why}", file.display(), number + 1));
        let line: Line = serde_json::from_str(line)
            .map_err(|_| bad("is not what `face embed --seal` prints"))?;
        let subject: SubjectId =
            line.subject.parse().map_err(|_| bad("subject is not 32 hex digits"))?;
        let bytes = STANDARD.decode(&line.sealed).map_err(|_| bad("sealed is not base64"))?;
        let sealed = Sealed { subject, bytes };
        let mut numbers =
            open(&key, &sealed, &ModelHash(space.model)).map_err(|e| bad(&e.to_string()))?;
        let template = Template::new(space.model, std::mem::take(&mut *numbers))
            .map_err(|e| bad(&e.to_string()))?;
        let known = subjects.iter().position(|s| *s == subject);
        let person = known.unwrap_or_else(|| {
            subjects.push(subject);
            subjects.len() - 1
        });
        seen.push(Seen { person, enrolled: template.clone(), quality: 1.0, presented: template });
    }
    Ok(seen)
}
