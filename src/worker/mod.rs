//! The face worker process (`eithergate-face`): shut in before the first picture. It has no network, starts no
//! program and opens no file after start.

#[cfg(feature = "face")]
pub mod pictures;

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(69)
}
