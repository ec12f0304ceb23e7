//! TensorFlow Lite, through tflitec, on XNNPACK: what `vision` sees as a `Network`. The only file that
//! knows the library. Files are read here once, at start; nothing is opened later.

use crate::vision::{Manifest, Model, Network, NetworkError};
use sha2::{Digest, Sha256};
use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tflitec::interpreter::{Interpreter, Options};
use tflitec::tensor::{DataType, Tensor};
use zeroize::Zeroize;

/// Far above any manifest and any model for this; they bound what is read.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;
const MAX_MODEL_BYTES: u64 = 256 << 20;
/// More threads than cores here would only wait for each other.
const MAX_THREADS: u8 = 16;

/// What is expected to lie on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The manifest file's sha256 is one of these; none accepts any.
    pub manifest: Vec<[u8; 32]>,
    /// sha256 of the .tflite file; `None` accepts whatever the manifest says.
    pub model: Option<[u8; 32]>,
}

/// Why a model can't be used. Names the file, and says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct LoadError {
    pub path: PathBuf,
    pub why: String,
    /// The file is missing or unreadable, rather than wrong.
    pub missing: bool,
}

/// Loads a manifest and the .tflite file beside it.
pub fn load(manifest: &Path, threads: u8) -> Result<Model, LoadError> {
    load_pinned(manifest, threads, &Pin::default())
}

/// As [`load`], refusing what isn't exactly the pinned files. The model stays in memory until the process
/// ends: load it once.
pub fn load_pinned(manifest: &Path, threads: u8, pin: &Pin) -> Result<Model, LoadError> {
    let wrong = |path: &Path, why: String| LoadError { path: path.into(), why, missing: false };
    let text = read(manifest, MAX_MANIFEST_BYTES)?;
    check_sha256(&text, &pin.manifest).map_err(|why| wrong(manifest, why))?;
    let text = String::from_utf8(text).map_err(|_| wrong(manifest, "is not UTF-8 text".into()))?;
    let parsed = Manifest::from_toml(&text).map_err(|e| wrong(manifest, e.to_string()))?;

    let path = manifest.with_file_name(&parsed.file);
    let bytes = read(&path, MAX_MODEL_BYTES)?;
    check_sha256(&bytes, pin.model.as_slice()).map_err(|why| wrong(&path, why))?;
    check_sha256(&bytes, &[parsed.sha256])
        .map_err(|why| wrong(&path, format!("{why} (in {})", manifest.display())))?;

    let network = TfLite::new(bytes, &parsed, threads).map_err(|why| wrong(&path, why))?;
    Model::new(parsed, Box::new(network)).map_err(|e| wrong(&path, e.to_string()))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let missing = |why: String| LoadError { path: path.into(), why, missing: true };
    // A pipe would be waited for.
    let open = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = open.map_err(|e| missing(format!("can't be opened: {e}")))?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(missing("is no file".into()));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| missing(format!("can't be read: {e}")))?;
    if bytes.len() as u64 > limit {
        let why = format!("is larger than {limit} bytes");
        return Err(LoadError { path: path.into(), why, missing: false });
    }
    Ok(bytes)
}

/// Whether the bytes are one of those expected, or nothing is.
fn check_sha256(bytes: &[u8], expected: &[[u8; 32]]) -> Result<(), String> {
    let have: [u8; 32] = Sha256::digest(bytes).into();
    if expected.is_empty() || expected.contains(&have) {
        return Ok(());
    }
    let hex = |sum: &[u8; 32]| sum.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let wanted: Vec<String> = expected.iter().map(hex).collect();
    Err(format!("sha256 is {}, expected {}", hex(&have), wanted.join(" or ")))
}

struct TfLite {
    interpreter: Interpreter<'static>,
    input: Vec<f32>,
    outputs: Vec<Out>,
}

struct Out {
    /// In the model's own order.
    index: usize,
    values: Vec<f32>,
}

impl TfLite {
    fn new(bytes: Vec<u8>, manifest: &Manifest, threads: u8) -> Result<Self, String> {
        if !xnnpack_works() {
            return Err(
                "XNNPACK can't be set up on this processor, and without it recognition is \
                        too slow to be of use"
                    .into(),
            );
        }
        let said = |e: tflitec::Error| format!("is not usable: {e}");
        // The interpreter borrows the model, and the model its bytes. A process loads its models once and
        // keeps them, so they may as well never be freed.
        let bytes: &'static [u8] = Vec::leak(bytes);
        let model = Box::leak(Box::new(tflitec::model::Model::from_bytes(bytes).map_err(said)?));
        let thread_count = i32::from(threads.clamp(1, MAX_THREADS));
        let options = Options { thread_count, is_xnnpack_enabled: true };
        let interpreter = Interpreter::new(model, Some(options)).map_err(said)?;
        interpreter.allocate_tensors().map_err(said)?;

        if interpreter.input_tensor_count() != 1 {
            return Err(format!("has {} inputs, not one", interpreter.input_tensor_count()));
        }
        let input = &manifest.input;
        check_tensor(&interpreter.input(0).map_err(said)?, &input.name, &input.shape(), "input")?;
        let mut outputs = Vec::new();
        for output in &manifest.outputs {
            let index =
                find_output(&interpreter, &output.name).map_err(said)?.ok_or_else(|| {
                    format!("has no output named {:?}, which its manifest lists", output.name)
                })?;
            let tensor = interpreter.output(index).map_err(said)?;
            check_tensor(&tensor, &output.name, &output.shape, "output")?;
            outputs.push(Out { index, values: vec![0.0; output.len()] });
        }
        Ok(Self { interpreter, input: vec![0.0; input.len()], outputs })
    }
}

fn find_output(interpreter: &Interpreter, name: &str) -> tflitec::Result<Option<usize>> {
    for index in 0..interpreter.output_tensor_count() {
        if interpreter.output(index)?.name() == name {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn check_tensor(tensor: &Tensor, name: &str, shape: &[usize], what: &str) -> Result<(), String> {
    if tensor.name() != name {
        return Err(format!("its {what} is named {:?}, its manifest says {name:?}", tensor.name()));
    }
    if tensor.data_type() != DataType::Float32 {
        return Err(format!("its {what} {name:?} is {:?}, not Float32", tensor.data_type()));
    }
    if tensor.shape().dimensions() != shape {
        let have = tensor.shape().dimensions();
        return Err(format!("its {what} {name:?} has shape {have:?}, its manifest says {shape:?}"));
    }
    Ok(())
}

impl Network for TfLite {
    fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    fn run(&mut self) -> Result<(), NetworkError> {
        let said = |e: tflitec::Error| NetworkError(format!("inference failed: {e}"));
        self.interpreter.copy(&self.input, 0).map_err(said)?;
        self.interpreter.invoke().map_err(said)?;
        for out in &mut self.outputs {
            let tensor = self.interpreter.output(out.index).map_err(said)?;
            let values = tensor.data::<f32>();
            if values.len() != out.values.len() {
                return Err(NetworkError("an output changed its size".into()));
            }
            out.values.copy_from_slice(values);
        }
        // It was a piece of a picture; neither this copy nor the library's is needed any more.
        self.input.as_mut_slice().zeroize();
        self.interpreter.copy(&self.input, 0).map_err(said)
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], |out| &out.values)
    }
}

// SAFETY: declared as the library's header has them; deploy/tflite/xnnpack_delegate.h is a copy of it, and
// any pointer stands for one to a type that stays the library's own.
unsafe extern "C" {
    fn TfLiteXNNPackDelegateCreate(options: *const c_void) -> *mut c_void;
    fn TfLiteXNNPackDelegateDelete(delegate: *mut c_void);
}

/// tflitec takes no notice of a delegate that couldn't be made, and the model would run, many times
/// slower. So make one first, only to see whether it can be.
fn xnnpack_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        quietly(|| {
            // SAFETY: the library takes null for its default options, gives null or a delegate that is
            // ours, and takes that back.
            unsafe {
                let delegate = TfLiteXNNPackDelegateCreate(std::ptr::null());
                if delegate.is_null() {
                    return false;
                }
                TfLiteXNNPackDelegateDelete(delegate);
            }
            true
        })
    })
}

/// Runs something with standard error turned away. The library announces the process's first delegate
/// there, has no way to be told not to, and people would take it for something gone wrong.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let null = File::options().write(true).open("/dev/null");
    let saved = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 3);
    let (Ok(null), Ok(saved)) = (null, saved) else { return run() };
    let turned = rustix::stdio::dup2_stderr(&null).is_ok();
    let result = run();
    if turned {
        let _ = rustix::stdio::dup2_stderr(&saved);
    }
    result
}
