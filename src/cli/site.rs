//! `eithergate site`: the property office's commands. One file each.

mod broker;
mod card;
mod gate;
mod init;
mod operator;
mod order;
mod pass;
mod publish;
mod status;
mod view;
mod watch;

pub(super) use order::{ModeName, mode_wish};

use super::Failure;
use crate::domain::WallTime;
use crate::site::{BrokerError, SiteError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const COURSE: &str = "The usual course:

  eithergate site init --name garden --utc-offset +08:00
  eithergate site gate add north --out north-bundle
  eithergate site card import cards.csv
  eithergate site publish --broker mqtt://127.0.0.1:1883 --wait 10
  eithergate site watch --broker mqtt://127.0.0.1:1883

Runs in the office, never at a gate. A site is one directory of files; keep a backup as private as itself.";

#[derive(clap::Args)]
#[command(after_help = COURSE)]
pub(super) struct Args {
    /// The site's directory
    #[arg(
        long,
        global = true,
        env = "EITHERGATE_SITE",
        default_value = "site",
        value_name = "DIR"
    )]
    site: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a site: its root key, the office's key and certificate, its card and epoch keys
    Init(init::Args),
    /// The site's gates
    #[command(subcommand)]
    Gate(gate::Command),
    /// The residents' cards
    #[command(subcommand)]
    Card(card::Command),
    /// How the readers here present cards
    #[command(subcommand)]
    View(view::Command),
    /// Visitors' passes: cards that end by themselves
    #[command(subcommand)]
    Pass(pass::Command),
    /// Operators beside the office
    #[command(subcommand)]
    Operator(operator::Command),
    Publish(publish::Args),
    Open(order::Open),
    Mode(order::Mode),
    /// Forget who is inside: nobody violates anti-passback with the next passage
    Amnesty(order::Whole),
    /// Say that somebody has seen all alarms of a gate
    Acknowledge(order::Whole),
    /// The fire is over, where doors don't relock with the fire panel
    EndFire(order::Whole),
    Watch(watch::Args),
    /// What this site is made of, and what needs attention
    Status(status::Args),
    /// Certify the office's key again, with the root key brought from its offline place
    Renew(init::RenewArgs),
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let dir = args.site.as_path();
    match args.command {
        Command::Init(args) => init::run(dir, &args),
        Command::Gate(command) => gate::run(dir, &command),
        Command::Card(command) => card::run(dir, &command),
        Command::View(command) => view::run(dir, &command),
        Command::Pass(command) => pass::run(dir, &command),
        Command::Operator(command) => operator::run(dir, &command),
        Command::Publish(args) => publish::run(dir, &args),
        Command::Open(args) => order::open(dir, &args),
        Command::Mode(args) => order::mode(dir, &args),
        Command::Amnesty(args) => order::amnesty(dir, &args),
        Command::Acknowledge(args) => order::acknowledge(dir, &args),
        Command::EndFire(args) => order::end_fire(dir, &args),
        Command::Watch(args) => watch::run(dir, &args),
        Command::Status(args) => status::run(dir, &args),
        Command::Renew(args) => init::renew(dir, &args),
    }
}

/// The office's clock is the machine's.
fn now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl From<SiteError> for Failure {
    fn from(e: SiteError) -> Self {
        let text = e.to_string();
        match e {
            SiteError::NoSite(_) => Failure::NoInput(text),
            SiteError::Occupied(_)
            | SiteError::GateExists(_)
            | SiteError::NoGate(_)
            | SiteError::NoView(_)
            | SiteError::NoOffice(_)
            | SiteError::NotYours(_)
            | SiteError::OperatorName(_)
            | SiteError::NoGates => Failure::Usage(text),
            SiteError::File { .. } | SiteError::Busy(_) => Failure::Unavailable(text),
            SiteError::Spoilt { .. }
            | SiteError::KeyFile(_)
            | SiteError::NotCertified { .. }
            | SiteError::WrongRoot => Failure::Config(text),
            SiteError::NoCard(_)
            | SiteError::CardUnknown
            | SiteError::CardUnclear
            | SiteError::NoPass
            | SiteError::NotAdded(_)
            | SiteError::LastCard => Failure::Data(text),
            SiteError::Import(_) | SiteError::FaceOnly { .. } | SiteError::TooLarge(_) => {
                Failure::Data(text)
            }
        }
    }
}

impl From<BrokerError> for Failure {
    fn from(e: BrokerError) -> Self {
        match e {
            BrokerError::Url | BrokerError::Tls => Failure::Usage(format!("--broker {e}")),
            _ => Failure::Unavailable(e.to_string()),
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |e| Failure::NoInput(format!("{}: {e}", path.display()))
}
