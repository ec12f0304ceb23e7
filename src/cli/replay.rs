//! `replay`: an incident once more, from what reached the gate's judgement, through the same judgement.

use super::Failure;
use crate::access::{Command, Output};
use crate::domain::{DoorId, Event, Instant, ReaderId, WallTime};
use crate::record::{Begin, Known, MAX_LINE, Player, Shown, Told};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Play recorded inputs of a gate once more, through the same judgement
///
/// A gate records them if its configuration says so: `record_inputs_mb` under [gate]; they are in its data_dir,
/// in the folder `inputs`, the newest with the highest number. People go by numbers of their own in each file:
/// whoever is 3 in one is anybody in the next.
///
/// Exits 1 if this program decides anything otherwise than the gate did, 65 if a file is no such log.
///
/// Examples:
///   eithergate replay /var/lib/eithergate/inputs/00000000000000000007.log
///   eithergate replay --json inputs/*.log | grep AccessGranted
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Logs, the oldest first
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a line: inputs, commands, events
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut differing = 0;
    for path in &args.files {
        let (mut player, mut print) = (Player::default(), Printer::new(args.json));
        let whole = play(path, &mut player, &mut print)?;
        let (steps, others, last) = player.tally();
        if !args.json {
            println!("{}", verdict(steps, others, last, whole));
        }
        differing += if whole { others } else { u64::from(others > 0 && last == steps) };
    }
    if differing > 0 { Err(Failure::Negative) } else { Ok(()) }
}

fn verdict(steps: u64, others: u64, last: u64, whole: bool) -> String {
    match (others, whole) {
        (0, _) => format!("{steps} inputs, all decided as they were"),
        (_, true) => format!("{steps} inputs, {others} decided otherwise than they were"),
        (_, false) => format!(
            "{steps} inputs; this log begins in the middle, and what was under way then is not in it: exact after \
             input {last}"
        ),
    }
}

/// Plays a file; `true` if it began with the gate's start.
fn play(path: &Path, player: &mut Player, print: &mut Printer) -> Result<bool, Failure> {
    let unreadable = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut whole, mut number) = (true, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = MAX_LINE as u64 + 2;
        if file.by_ref().take(most).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        number += 1;
        // A gate that lost its power stopped in the middle of a line.
        let torn = line.last() != Some(&b'\n');
        if !torn {
            line.pop();
        }
        let played = player.line(&line, &mut |shown| {
            if let Shown::Began(begin) = &shown {
                whole &= begin.whole;
            }
            print.show(&shown);
        });
        match played {
            Err(_) if torn && number > 1 && line.len() <= MAX_LINE => {
                let path = path.display();
                eprintln!(
                    "{path}:{number}: stops in the middle of a line, as when a gate loses its power"
                );
                break;
            }
            Err(error) => {
                return Err(Failure::Data(format!("{}:{number}: {error}", path.display())));
            }
            Ok(()) => {}
        }
    }
    if number == 0 {
        return Err(Failure::Data(format!("{}: is empty: no log of inputs", path.display())));
    }
    Ok(whole)
}

struct Printer {
    json: bool,
    doors: Vec<String>,
    readers: Vec<String>,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self { json, doors: Vec::new(), readers: Vec::new() }
    }

    fn show(&mut self, shown: &Shown<'_>) {
        if let Shown::Began(begin) = shown {
            (self.doors, self.readers) = (begin.doors.clone(), begin.readers.clone());
        }
        let text = if self.json { self.object(shown).to_string() } else { self.row(shown) };
        println!("{text}");
    }

    fn door(&self, id: DoorId) -> &str {
        self.doors.get(usize::from(id.0)).map_or("?", |name| name)
    }

    fn reader(&self, id: ReaderId) -> &str {
        self.readers.get(usize::from(id.0)).map_or("?", |name| name)
    }

    /// Doors and readers by their names, as everywhere outside the gate.
    fn named(&self, mut value: Value) -> Value {
        let place = |value: &Value| value.as_u64().and_then(|i| u8::try_from(i).ok());
        if let Some(door) = place(&value["door"]) {
            value["door"] = self.door(DoorId(door)).into();
        }
        if let Some(reader) = place(&value["reader"]) {
            value["reader"] = self.reader(ReaderId(reader)).into();
        }
        value
    }

    fn event(&self, event: &Event) -> Value {
        self.named(serde_json::to_value(event).unwrap_or_default())
    }

    fn output(&self, output: Output) -> String {
        match output {
            Output::Lock(door) => format!("{}.lock", self.door(door)),
            Output::LockOut(door) => format!("{}.lock_out", self.door(door)),
            Output::Stop(door) => format!("{}.stop", self.door(door)),
            Output::Warning(door) => format!("{}.warning", self.door(door)),
            Output::Siren => "siren".into(),
        }
    }

    fn object(&self, shown: &Shown<'_>) -> Value {
        match shown {
            Shown::Began(begin) => {
                let Begin { program, now, wall, whole, .. } = begin;
                json!({"begin": {"program": program, "now": now, "wall": wall, "whole": whole}})
            }
            Shown::Input { now, wall, input, .. } => {
                json!({"at": now, "wall": wall, "input": self.input(input)})
            }
            Shown::Command { command, now } => match command {
                Command::Record(event) => json!({"event": self.event(event)}),
                Command::Switch { output, on } => {
                    json!({"at": now, "switch": self.output(*output), "on": on})
                }
                Command::Show { reader, signal } => {
                    json!({"at": now, "show": signal, "reader": self.reader(*reader)})
                }
                Command::Keep(fact) => json!({"at": now, "keep": fact}),
                Command::Claim { .. } => json!({"at": now, "claim": true}),
                Command::Passed { .. } => json!({"at": now, "passed": true}),
                Command::KeepFirst { ticket, fact } => {
                    json!({"at": now, "keep_first": fact, "ticket": ticket})
                }
            },
            Shown::Note(event) => json!({"event": self.event(event)}),
            Shown::Differs { now } => json!({"at": now, "differs": true}),
        }
    }

    /// As an object with one key: what it is.
    fn input(&self, input: &Told) -> Value {
        let mut value = serde_json::to_value(input).unwrap_or_default();
        for (_, inner) in value.as_object_mut().into_iter().flatten() {
            if inner.is_object() {
                *inner = self.named(inner.take());
            }
        }
        value
    }

    fn row(&self, shown: &Shown<'_>) -> String {
        match shown {
            Shown::Began(begin) => {
                let how = if begin.whole { "the gate starts" } else { "the log begins" };
                format!("{}  {how} ({})", moment(begin.now, begin.wall), begin.program)
            }
            Shown::Input { now, wall, input, known } => {
                let input = match self.input(input) {
                    Value::String(word) => word,
                    value => words(&value),
                };
                format!("{}  {input}{}", moment(*now, *wall), whose(known))
            }
            Shown::Command { command, .. } => match command {
                Command::Record(event) => format!("{:27}{}", "", kind(&self.event(event))),
                Command::Switch { output, on } => {
                    let on = if *on { "on" } else { "off" };
                    format!("{:27}{} {on}", "", self.output(*output))
                }
                Command::Show { reader, signal } => {
                    format!("{:27}{} shows {signal:?}", "", self.reader(*reader))
                }
                Command::Claim { .. } => format!("{:27}looks for whose PIN it is", ""),
                Command::Passed { .. } => format!("{:27}knows who has passed", ""),
                Command::Keep(fact) => {
                    let fact = serde_json::to_value(fact).unwrap_or_default();
                    format!("{:27}remembers {}", "", words(&fact))
                }
                Command::KeepFirst { fact, .. } => {
                    let fact = serde_json::to_value(fact).unwrap_or_default();
                    format!("{:27}remembers first {}", "", words(&fact))
                }
            },
            Shown::Note(event) => {
                let at = moment(event.at, event.wall);
                format!("{at}  beside it: {}", kind(&self.event(event)))
            }
            Shown::Differs { .. } => format!("{:27}BUT the gate did otherwise then", ""),
        }
    }
}

fn moment(now: Instant, wall: Option<WallTime>) -> String {
    match wall {
        Some(wall) => {
            let utc = super::utc(wall.0);
            format!("{}.{:03}Z", utc.trim_end_matches('Z'), wall.0 % 1_000)
        }
        None => format!("{:>17}.{:06}", format!("+{}", now.0 / 1_000_000), now.0 % 1_000_000),
    }
    .chars()
    .take(25)
    .collect()
}

/// An event's kind and what is with it.
fn kind(event: &Value) -> String {
    let fields = event.as_object().into_iter().flatten();
    let rest = fields.filter(|(key, _)| !matches!(key.as_str(), "at" | "wall" | "kind"));
    let rest: Vec<String> = rest.map(|(key, value)| format!("{key} {}", words(value))).collect();
    format!("{} {}", event["kind"].as_str().unwrap_or("?"), rest.join(", "))
}

fn words(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let all: Vec<_> =
                fields.map(|(key, value)| format!("{key} {}", words(value))).collect();
            all.join(" ")
        }
        other => other.to_string(),
    }
}

/// Whom the list has for what was shown.
fn whose(known: &[Known]) -> String {
    let right = known.iter().find_map(|known| match known {
        Known::Card { right, .. } | Known::Subject { right, .. } => Some(right),
        _ => None,
    });
    match right {
        Some(Some(right)) => format!(" (is of person {})", right.who),
        Some(None) => " (is on no list)".into(),
        None => String::new(),
    }
}
