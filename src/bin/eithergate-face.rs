//! The face worker. See `worker`.

fn main() -> std::process::ExitCode {
    eithergate::worker::main()
}
