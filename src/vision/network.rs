//! Inference as this module sees it.

use super::manifest::Manifest;

/// One loaded network with its buffers. `io::tflite` has the real one.
pub trait Network: Send {
    /// The input, row by row, `height * width * 3` values, to be filled before [`Network::run`]. It may
    /// hold anything, the previous input included.
    fn input(&mut self) -> &mut [f32];
    fn run(&mut self) -> Result<(), NetworkError>;
    /// What the last run gave for the manifest's `index`-th output (its order, not the file's), flattened;
    /// empty if there is no such output.
    fn output(&self, index: usize) -> &[f32];
}

/// A run failed. It says nothing of the picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

/// A network and what its manifest says of it.
pub struct Model {
    manifest: Manifest,
    network: Box<dyn Network>,
}

/// A model that doesn't do what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model {model}: {why}")]
pub struct ModelError {
    pub model: String,
    pub why: String,
}

impl Model {
    /// Refuses a network whose input has another size than the manifest says. Output sizes are checked
    /// where they are read, because a network may have none before it ran.
    pub fn new(manifest: Manifest, mut network: Box<dyn Network>) -> Result<Self, ModelError> {
        let (want, have) = (manifest.input.len(), network.input().len());
        if want != have {
            return Err(ModelError {
                model: manifest.name,
                why: format!("takes {have} input values, its manifest says {want}"),
            });
        }
        Ok(Self { manifest, network })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Fills the input, runs, and hands over the network to read its outputs.
    pub fn run(
        &mut self,
        fill: impl FnOnce(&Manifest, &mut [f32]),
    ) -> Result<&dyn Network, ModelError> {
        fill(&self.manifest, self.network.input());
        self.network.run().map_err(|e| self.error(e.0))?;
        for (i, output) in self.manifest.outputs.iter().enumerate() {
            let have = self.network.output(i).len();
            if have != output.len() {
                return Err(self.error(format!(
                    "gave {have} values for output {:?}, its manifest says {}",
                    output.name,
                    output.len()
                )));
            }
        }
        Ok(self.network.as_ref())
    }

    fn error(&self, why: String) -> ModelError {
        ModelError { model: self.manifest.name.clone(), why }
    }
}
