//! The daemon and command line. See `cli`.

fn main() -> std::process::ExitCode {
    eithergate::cli::main()
}
