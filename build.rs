//! Tells the linker where the face worker finds the TensorFlow Lite library at run time: beside the
//! build tree, or where the packages install it. Without the `face` feature there is nothing to say.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_FACE").is_none() {
        return;
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let library = Path::new(&root).join("target/tflite/lib");
    // `$ORIGIN/..` reaches from target/release/ (and one deeper, from deps/ for tests).
    for place in ["$ORIGIN/../lib/eithergate", "$ORIGIN/../tflite/lib", "$ORIGIN/../../tflite/lib"]
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{place}");
    }
    println!("cargo:rustc-link-search=native={}", library.display());
}
