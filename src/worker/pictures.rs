//! The commands that look at picture files: detect, embed, compare, evaluate.

use crate::cli::Failure;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Find the faces in a picture
    Detect {},
}

pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Detect {} => todo!(),
    }
}
