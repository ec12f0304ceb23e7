//! Every line of the gate, as it stands now: whoever fits one presses the button and looks.

use super::Finding;
use crate::app::pins::{self, PinsError};
use crate::config::{Backend, Config, Link, Means};
use crate::domain::Bias;
use crate::io::Sight;

pub(super) fn pins(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<_> =
        pins::reset_pulls(config).iter().map(|e| failed(&e.to_string())).collect();
    findings.extend(pins::reset_leanings(config).into_iter().map(|name| {
        Finding::warn(
            "pins",
            format!("{name} is active low on a line that the board pulls down while it boots"),
            "watch it while the computer starts; if it switches, move it to GPIO4 to 8, or pull it up outside",
        )
    }));
    match look(config) {
        Ok(seen) => findings.extend(seen),
        Err(e) => findings.push(failed(&e.to_string())),
    }
    if !matches!(config.hardware.backend, Backend::Gpiochip { .. } | Backend::Rppal) {
        findings.push(Finding::warn(
            "pins",
            "simulated: no real door moves",
            "set backend = \"gpiochip\" under [hardware] at a real gate",
        ));
    }
    findings
}

/// The cause says what to do, after its first colon.
fn failed(cause: &str) -> Finding {
    let (what, remedy) = cause.split_once(": ").unwrap_or((cause, "check [hardware]"));
    Finding::fail("pins", what, remedy)
}

fn look(config: &Config) -> Result<Vec<Finding>, PinsError> {
    let mut findings = Vec::new();
    let outputs = config.outputs();
    let lines: Vec<_> = outputs.iter().map(|(_, output)| output.line).collect();
    let seen = pins::look(config, &lines, None)?;
    for (name, output) in &outputs {
        let state = |high| if high == output.active_high { "energised" } else { "released" };
        findings.extend(one(&seen, name, output.line, state));
    }
    for (name, means, input) in config.switches() {
        for (key, line) in input.lines() {
            let seen = pins::look(config, &[line.line], Some(line.bias))?;
            let state = |high| word(means, key, high == line.active_high);
            findings.extend(one(&seen, &format!("{name}{key}"), line.line, state));
        }
    }
    for reader in &config.readers {
        if let Link::Wiegand(wiegand) = &reader.link {
            let lines = [("d0", wiegand.d0), ("d1", wiegand.d1)];
            findings.push(idle(config, &reader.name, lines, wiegand.bias)?);
        }
    }
    Ok(findings)
}

/// What a level means to whoever looks at the switch.
fn word(means: Means, key: &str, active: bool) -> &'static str {
    match (key, active) {
        (".cut", true) => "the loop is cut",
        (".short", true) => "the loop is bridged",
        (".cut" | ".short", false) => "the loop is whole",
        _ => means.word(active),
    }
}

fn one<'a>(
    seen: &[Sight],
    name: &str,
    line: u32,
    state: impl Fn(bool) -> &'a str,
) -> Option<Finding> {
    let sight = seen.iter().find(|sight| sight.line == line)?;
    Some(match (&sight.holder, sight.high) {
        (Some(holder), _) => held(name, line, holder),
        (None, Some(high)) => {
            let level = if high { "high" } else { "low" };
            Finding::pass("pins", format!("{name} (line {line}): {}, {level}", state(high)))
        }
        (None, None) => Finding::pass("pins", format!("{name} (line {line})")),
    })
}

/// A line that somebody has: the running gate, or somebody who must not.
fn held(name: &str, line: u32, holder: &str) -> Finding {
    let detail = format!("{name} (line {line}): held by {holder}");
    if holder == "eithergate" {
        return Finding::pass("pins", detail);
    }
    Finding::fail("pins", detail, "give the gate another line, or stop what uses this one")
}

/// Both data lines of a reader that says nothing are high.
fn idle(
    config: &Config,
    reader: &str,
    lines: [(&str, u32); 2],
    bias: Bias,
) -> Result<Finding, PinsError> {
    let mut low = Vec::new();
    for (name, line) in lines {
        let seen = pins::look(config, &[line], Some(bias))?;
        if let Some(Sight { holder: Some(holder), .. }) = seen.first() {
            return Ok(held(&format!("{reader}.{name}"), line, holder));
        }
        if seen.first().is_some_and(|sight| sight.high == Some(false)) {
            low.push(format!("{name} (line {line})"));
        }
    }
    if low.is_empty() {
        let [(_, d0), (_, d1)] = lines;
        return Ok(Finding::pass(
            "pins",
            format!("{reader}: d0 (line {d0}) and d1 (line {d1}) idle high"),
        ));
    }
    Ok(Finding::fail(
        "pins",
        format!("{reader}: low while idle: {}", low.join(", ")),
        "a short circuit, a reader without power, or no pull-up: measure at the reader",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::domain::{DoorId, Wire};

    #[test]
    fn each_line_is_told_in_the_words_of_what_hangs_on_it() {
        let sight = |holder: Option<&str>, high| {
            vec![Sight { line: 22, holder: holder.map(str::to_owned), high }]
        };
        let contact = Means::Door(DoorId(0), Wire::Contact);
        let tell = |seen: Vec<Sight>| {
            one(&seen, "main.contact", 22, |high| word(contact, "", high))
                .map(|f| (f.result, f.detail))
                .unwrap_or((Verdict::Warn, String::new()))
        };
        let open = (Verdict::Pass, "main.contact (line 22): open, high".to_owned());
        assert_eq!(tell(sight(None, Some(true))), open);
        let closed = (Verdict::Pass, "main.contact (line 22): closed, low".to_owned());
        assert_eq!(tell(sight(None, Some(false))), closed);
        assert_eq!(tell(sight(Some("eithergate"), None)).0, Verdict::Pass);
        let fan = (Verdict::Fail, "main.contact (line 22): held by pwm-fan".to_owned());
        assert_eq!(tell(sight(Some("pwm-fan"), None)), fan);
    }
}
