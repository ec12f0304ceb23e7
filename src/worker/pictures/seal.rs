//! Sealing a template where it is made, so that enrolment never holds one in the clear.

use crate::domain::SubjectId;
use crate::failure::Failure;
use crate::io::template_key;
use crate::vision::Template;
use crate::wire::template::{ModelHash, NONCE_LEN, TemplateKey, seal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::PathBuf;

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
