//! Tells the linker where the face worker finds the TensorFlow Lite library at run time: beside the
//! build tree, or where the packages install it. Without the `face` feature there is nothing to say.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_FACE").is_none() {
        return;
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let folder = Path::new(&root).join("target/tflite/lib");
    let library = folder.join("libtensorflowlite_c.so");
    println!("cargo:rerun-if-changed={}", library.display());
    // Somebody who set this knows what they are doing, such as building for another machine.
    println!("cargo:rerun-if-env-changed=TFLITEC_PREBUILT_PATH");
    let named: std::path::PathBuf =
        std::env::var_os("TFLITEC_PREBUILT_PATH").map(Into::into).unwrap_or(library);
    if !named.exists() {
        println!("cargo::error=TensorFlow Lite is not here yet: run `make setup` first");
        return;
    }
    // `$ORIGIN/..` reaches from target/release/ (and one deeper, from deps/ for tests).
    for place in ["$ORIGIN/../lib/eithergate", "$ORIGIN/../tflite/lib", "$ORIGIN/../../tflite/lib"]
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{place}");
    }
    println!("cargo:rustc-link-search=native={}", folder.display());
}
