//! The face worker process (`eithergate-face`): shut in before the first picture. It has no network, starts no
//! program and opens no file after start.

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(69)
}
