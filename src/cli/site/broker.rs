//! The options of every command that talks to the broker.

use super::{Failure, unreadable};
use crate::site::Broker;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Login {
    /// User name at the broker
    #[arg(long, requires = "password_file", value_name = "NAME")]
    user: Option<String>,
    /// File whose first line is the password
    #[arg(long, requires = "user", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(super) fn resolve(url: &str, login: &Login) -> Result<Broker, Failure> {
    let broker: Broker = url.parse()?;
    let (Some(user), Some(path)) = (&login.user, &login.password_file) else { return Ok(broker) };
    let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    Ok(broker.with_login(user.clone(), password))
}
