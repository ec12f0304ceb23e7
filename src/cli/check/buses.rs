//! OSDP buses and the readers on them: as the running gate sees them; without it, whether the port opens.

use super::Finding;
use super::ports::console;
use crate::app::{self, Answer, Question};
use crate::config::{Config, Link};
use crate::io::port;
use std::path::Path;

pub(super) fn readers(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut running = true;
    for reader in &config.readers {
        let Link::Osdp(link) = &reader.link else { continue };
        let question = Question::Reader { reader: reader.name.clone() };
        match app::ask(config, &question) {
            Ok(Answer::Ok(status)) => findings.push(finding(&reader.name, link.low, &status)),
            Ok(Answer::Refused(why)) => {
                findings.push(Finding::fail("osdp reader", why, "restart the gate"));
            }
            Err(_) => running = false,
        }
    }
    if !running {
        findings.extend(config.buses.iter().map(|bus| match port::open(&bus.port) {
            Ok(_) => Finding::pass(
                "osdp bus",
                format!("{}: the port opens; start the gate to see its readers", bus.name),
            ),
            Err(e) => Finding::fail(
                "osdp bus",
                format!("{}: {e}", bus.name),
                "mend the port, or name another under [[bus]]",
            ),
        }));
    }
    let consoles = config.buses.iter().map(|bus| console(Path::new("/"), &bus.port.path));
    findings.extend(consoles.flatten());
    findings
}

fn finding(name: &str, low: bool, status: &serde_json::Value) -> Finding {
    let is = |key: &str| status[key] == true;
    let fail = |what: String, remedy: String| Finding::fail("osdp reader", what, remedy);
    if let Some(why) = status["breach"].as_str() {
        let remedy = format!(
            "look at the reader and its cable; if it was replaced, `eithergate reader install {name}`"
        );
        return fail(format!("{name} is not believed: {why}"), remedy);
    }
    if !low && !is("enrolled") {
        let remedy = format!("at the reader: `eithergate reader install {name}`");
        return fail(format!("{name} has no key yet and is not used"), remedy);
    }
    if !is("up") {
        let remedy = "check its power, A and B, its address and baud rate";
        return fail(format!("{name} doesn't answer"), remedy.into());
    }
    if low {
        let detail = format!("{name} answers in the clear");
        return Finding::warn(
            "osdp reader",
            detail,
            "assurance = \"low\": whoever taps the cable has the cards",
        );
    }
    Finding::pass("osdp reader", format!("{name} answers in a secure channel"))
}
