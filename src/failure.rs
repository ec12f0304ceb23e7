//! How a program ends badly, the daemon as well as the worker: one sentence that names the thing and the
//! remedy, and an exit code.

use std::process::ExitCode;

/// A failed command. The codes are those of `sysexits.h`.
#[derive(Debug)]
pub enum Failure {
    /// 64: the arguments make no sense together.
    Usage(String),
    /// 65: the data given is wrong.
    Data(String),
    /// 66: an input is missing or unreadable.
    NoInput(String),
    /// 69: something needed is not there (broker, device, library).
    Unavailable(String),
    /// 78: the configuration is wrong.
    Config(String),
    /// 1: it ran, and the answer is no. The command has already printed why.
    Negative,
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 64,
            Failure::Data(_) => 65,
            Failure::NoInput(_) => 66,
            Failure::Unavailable(_) => 69,
            Failure::Config(_) => 78,
            Failure::Negative => 1,
        }
    }
}

/// Prints what went wrong, if anything did, and gives the exit code.
pub fn conclude(outcome: Result<(), Failure>) -> ExitCode {
    let failure = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    match &failure {
        Failure::Usage(why)
        | Failure::Data(why)
        | Failure::NoInput(why)
        | Failure::Unavailable(why)
        | Failure::Config(why) => eprintln!("eithergate: {why}"),
        Failure::Negative => {}
    }
    ExitCode::from(failure.code())
}
