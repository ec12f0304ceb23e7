//! `decode`: what a reader really sent.

use super::Failure;
use crate::config::{self, Config};
use crate::domain::Instant;
use crate::wire::format::{self, Fields, Format};
use crate::wire::serial::{self, Framing, Parser};
use crate::wire::wiegand::{Assembler, Bits, Lengths, MAX_BITS, Options, Outcome};
use crate::wire::{Parsed, vcd};
use clap::{ArgGroup, Subcommand};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The largest input read; a capture of an hour with two busy lines has less.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

const WIEGAND_EXAMPLES: &str = "Examples:
  sigrok-cli -i capture.sr -O vcd -o capture.vcd
  eithergate decode wiegand capture.vcd --d0 D0 --d1 D1
  eithergate decode wiegand --raw 2f657ae --bits 26";

fn long_help() -> String {
    format!("Formats: {}\n\n{WIEGAND_EXAMPLES}", format::builtin_names())
}

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Wiegand: from a logic-analyser capture, or a number somebody wrote down
    ///
    /// Frames that are not exactly right are shown with what is wrong and no number. Where a frame fits
    /// several formats, all are shown: name yours with --format.
    #[command(
        group(ArgGroup::new("source").required(true).args(["file", "raw"])),
        after_help = WIEGAND_EXAMPLES,
        after_long_help = long_help()
    )]
    Wiegand(Wiegand),
    /// A serial reader: from its recorded bytes
    ///
    /// Record with `cat /dev/ttyS0 > bytes.bin` (after `stty -F /dev/ttyS0 9600 raw`), hold a card to the
    /// reader, and stop. `--framing` alone lists the framings known by name; docs/serial.md tells how to
    /// describe another one, and how to find out what an unknown reader sends.
    #[command(after_help = "Examples:\n  \
            eithergate decode serial bytes.bin --framing rdm6300\n  \
            eithergate decode serial bytes.bin --framing ours --config framings.toml\n  \
            eithergate decode serial --framing")]
    Serial(Serial),
}

#[derive(clap::Args)]
struct Wiegand {
    /// A value change dump (VCD), which every logic analyser's software exports
    #[arg(value_name = "FILE.vcd", requires = "d0", requires = "d1")]
    file: Option<PathBuf>,
    /// The signal that is D0 (the green wire), by its name in the capture
    #[arg(long, value_name = "NAME", requires = "file")]
    d0: Option<String>,
    /// The signal that is D1 (the white wire)
    #[arg(long, value_name = "NAME", requires = "file")]
    d1: Option<String>,
    /// The whole frame, parity included, as hex
    #[arg(long, value_name = "HEX", requires = "bits")]
    raw: Option<String>,
    /// How many bits the frame of --raw has, 1 to 128
    #[arg(long, value_name = "N", requires = "raw", value_parser = clap::value_parser!(u8).range(1..=MAX_BITS as i64))]
    bits: Option<u8>,
    /// The format this reader sends, e.g. h10301
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// One JSON object a frame
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Serial {
    /// The bytes as they came
    file: Option<PathBuf>,
    /// The framing by its name; without a name, lists those there are
    #[arg(long, value_name = "NAME", num_args = 0..=1, required = true)]
    framing: Option<Option<String>>,
    /// Own framings: a file with [[framing]] sections, a gate's configuration or part of one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object a frame
    #[arg(long)]
    json: bool,
}

/// One line of output. Here a card number may be printed: somebody asked what is on the wire.
#[derive(Serialize)]
struct Row {
    /// Of the first edge, from the trace's zero; absent for a number on paper.
    t_us: Option<u64>,
    bits: u16,
    #[serde(flatten)]
    what: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Card {
        raw: String,
        #[serde(flatten)]
        card: Card,
    },
    Candidates {
        raw: String,
        candidates: Vec<Card>,
    },
    Error {
        error: String,
    },
}

#[derive(Serialize)]
struct Card {
    format: String,
    facility: Option<u128>,
    number: u128,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum SerialRow {
    Card(String),
    Error(String),
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Wiegand(args) => wiegand(&args),
        What::Serial(args) => serial(&args),
    }
}

fn wiegand(args: &Wiegand) -> Result<(), Failure> {
    let formats = match &args.format {
        None => format::builtins(),
        Some(name) => vec![pinned(name)?],
    };
    let rows = match (&args.file, &args.raw, args.bits, &args.d0, &args.d1) {
        (Some(file), _, _, Some(d0), Some(d1)) => {
            let edges = vcd::edges(&read(file)?, d0, d1)
                .map_err(|e| Failure::Data(format!("{}: {e}", file.display())))?;
            let lengths = match args.format {
                Some(_) => Lengths::of(format::lengths(&formats)),
                None => Lengths::default(),
            };
            let mut assembler = Assembler::new(Options { lengths, ..Options::default() });
            let mut rows: Vec<Row> = edges
                .into_iter()
                .filter_map(|edge| assembler.edge(edge))
                .map(|outcome| row_of(outcome, &formats))
                .collect();
            // The line stays as it is after the last change, so a frame that is under way has ended.
            rows.extend(assembler.poll(Instant(u64::MAX)).map(|outcome| row_of(outcome, &formats)));
            rows
        }
        (_, Some(hex), Some(count), _, _) => {
            let what = match raw_bits(hex, count) {
                Ok(bits) => found(bits, &formats),
                Err(error) => Found::Error { error },
            };
            vec![Row { t_us: None, bits: count.into(), what }]
        }
        _ => {
            return Err(Failure::Usage(
                "give either FILE.vcd with --d0 and --d1, or --raw with --bits".into(),
            ));
        }
    };
    print_wiegand(&rows, args.json).map_err(no_stdout)?;
    if rows.is_empty() {
        return Err(Failure::Data(
            "no pulse on either line: are --d0 and --d1 the signals the reader is on?".into(),
        ));
    }
    if rows.iter().all(|row| matches!(row.what, Found::Error { .. })) {
        let first = rows.iter().find_map(|row| match &row.what {
            Found::Error { error } => Some(error.as_str()),
            _ => None,
        });
        return Err(Failure::Data(format!("no card decoded: {}", first.unwrap_or_default())));
    }
    Ok(())
}

fn pinned(name: &str) -> Result<Format, Failure> {
    format::builtin(name).ok_or_else(|| {
        let known: Vec<String> = format::builtins().iter().map(|f| f.name().to_string()).collect();
        Failure::Usage(format!("no format is called '{name}'; there are {}", known.join(", ")))
    })
}

fn raw_bits(hex: &str, count: u8) -> Result<Bits, String> {
    let digits = hex.strip_prefix("0x").or(hex.strip_prefix("0X")).unwrap_or(hex);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("'{hex}' is not a number in hex"));
    }
    let value = u128::from_str_radix(digits, 16)
        .map_err(|_| format!("{hex} has more than {MAX_BITS} bits"))?;
    Bits::new(value, count).ok_or_else(|| {
        let length = u128::BITS - value.leading_zeros();
        let mask = 1u128.checked_shl(count.into()).map_or(u128::MAX, |bit| bit - 1);
        format!(
            "{hex} has {length} bits and is longer than {count}; if a reader tool put marker bits in \
             front, the frame itself is {:x}",
            value & mask
        )
    })
}

fn row_of(outcome: Outcome, formats: &[Format]) -> Row {
    match outcome {
        Ok(frame) => Row {
            t_us: Some(frame.first.0),
            bits: frame.bits.count().into(),
            what: found(frame.bits, formats),
        },
        Err(spoilt) => Row {
            t_us: Some(spoilt.first.0),
            bits: spoilt.bits,
            what: Found::Error { error: spoilt.why.to_string() },
        },
    }
}

fn found(bits: Bits, formats: &[Format]) -> Found {
    let mut candidates: Vec<Card> =
        formats.iter().filter_map(|f| f.fields(bits)).map(Card::from).collect();
    match (candidates.pop(), format::decode(bits, formats)) {
        (Some(card), Ok(_)) => Found::Card { raw: bits.to_hex(), card },
        (Some(last), Err(_)) => {
            candidates.push(last);
            Found::Candidates { raw: bits.to_hex(), candidates }
        }
        (None, Err(why)) => Found::Error { error: why.to_string() },
        (None, Ok(_)) => Found::Error { error: "no format here fits".into() },
    }
}

impl From<Fields> for Card {
    fn from(fields: Fields) -> Self {
        Card { format: fields.format.to_string(), facility: fields.facility, number: fields.number }
    }
}

fn serial(args: &Serial) -> Result<(), Failure> {
    let own = match &args.config {
        None => Vec::new(),
        Some(path) => Config::framings(path).map_err(super::config_failure)?,
    };
    let Some(name) = args.framing.as_ref().and_then(Option::as_ref) else {
        return list_framings(&own).map_err(no_stdout);
    };
    let framing = own.iter().find(|own| own.name == *name).map(|own| own.framing.clone());
    let framing = framing.or(serial::preset(name)).ok_or_else(|| {
        let presets = serial::PRESETS.iter().map(|preset| preset.name);
        let known: Vec<&str> = presets.chain(own.iter().map(|own| own.name.as_str())).collect();
        Failure::Usage(format!(
            "no framing is called '{name}'; there are {}; an own one comes with --config FILE",
            known.join(", ")
        ))
    })?;
    let Some(file) = &args.file else {
        return Err(Failure::Usage("name the file with the recorded bytes".into()));
    };
    let bytes = read(file)?;
    let rows = serial_rows(framing, &bytes);
    print_serial(&rows, args.json).map_err(no_stdout)?;
    if rows.iter().any(|row| matches!(row, SerialRow::Card(_))) {
        return Ok(());
    }
    Err(Failure::Data(match rows.first() {
        Some(SerialRow::Error(why)) => format!("no card decoded: {why}"),
        _ => format!(
            "{}: no frame in {} bytes; check the framing, and the speed it was recorded at",
            file.display(),
            bytes.len()
        ),
    }))
}

fn serial_rows(framing: Framing, bytes: &[u8]) -> Vec<SerialRow> {
    // A recording has no pauses.
    let now = Instant(0);
    let mut parser = Parser::new(framing);
    let mut rows = Vec::new();
    let mut take = |outcome: serial::Outcome| match outcome {
        Parsed::NeedMore | Parsed::NotForUs => {}
        Parsed::Corrupt(why) => rows.push(SerialRow::Error(why.to_string())),
        Parsed::Item(tag) => rows.push(SerialRow::Card(tag.to_hex())),
    };
    for byte in bytes {
        take(parser.byte(now, *byte));
        while let Some(outcome) = parser.poll(now) {
            take(outcome);
        }
    }
    if parser.is_midway() {
        rows.push(SerialRow::Error("the recording ends in the middle of a frame".into()));
    }
    rows
}

fn list_framings(own: &[config::NamedFraming]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for preset in serial::PRESETS {
        writeln!(out, "{:<12} {:>6} baud  {}", preset.name, preset.baud, preset.about)?;
    }
    for own in own {
        writeln!(out, "{:<12} {:>6}       of the configuration", own.name, "")?;
    }
    out.flush()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let missing = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(missing)?;
    file.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(missing)?;
    if bytes.len() as u64 > MAX_INPUT {
        let limit = MAX_INPUT / 1024 / 1024;
        return Err(Failure::Data(format!("{} is larger than {limit} MB; cut it", path.display())));
    }
    Ok(bytes)
}

fn no_stdout(e: std::io::Error) -> Failure {
    Failure::Unavailable(format!("can't write the result: {e}"))
}

fn print_json(rows: &[impl Serialize]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for row in rows {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn print_wiegand(rows: &[Row], json: bool) -> std::io::Result<()> {
    if json {
        return print_json(rows);
    }
    let mut out = std::io::stdout().lock();
    if !rows.is_empty() {
        writeln!(
            out,
            "{:>12}  {:>4}  {:<12}  {:<8}  {:>8}  NUMBER",
            "TIME", "BITS", "RAW", "FORMAT", "FACILITY"
        )?;
    }
    for row in rows {
        let time = row.t_us.map_or("-".into(), |us| format!("{}.{:03} ms", us / 1000, us % 1000));
        let bits = row.bits;
        let mut card = |raw: &str, card: &Card| {
            let facility = card.facility.map_or("-".into(), |f| f.to_string());
            let (format, number) = (&card.format, card.number);
            writeln!(out, "{time:>12}  {bits:>4}  {raw:<12}  {format:<8}  {facility:>8}  {number}")
        };
        match &row.what {
            Found::Card { raw, card: one } => card(raw, one)?,
            Found::Candidates { raw, candidates } => {
                for one in candidates {
                    card(raw, one)?;
                }
                writeln!(out, "{:>12}  one frame, several formats: pin yours with --format", "")?;
            }
            Found::Error { error } => writeln!(out, "{time:>12}  {bits:>4}  no card: {error}")?,
        }
    }
    out.flush()
}

fn print_serial(rows: &[SerialRow], json: bool) -> std::io::Result<()> {
    if json {
        return print_json(rows);
    }
    let mut out = std::io::stdout().lock();
    for row in rows {
        match row {
            SerialRow::Card(hex) if hex.len() == 10 => {
                // What is printed on EM4100 cards: the low 32 bits in decimal, or the low 24 as 8 and 16.
                let low =
                    hex.get(2..).and_then(|low| u32::from_str_radix(low, 16).ok()).unwrap_or(0);
                let (upper, lower) = (low >> 16 & 0xff, low & 0xffff);
                writeln!(out, "card {hex}, printed as {low:010} or {upper:03},{lower:05}")?;
            }
            SerialRow::Card(hex) => {
                let number = u128::from_str_radix(hex, 16).unwrap_or(0);
                writeln!(out, "card {hex}, in decimal {number}")?;
            }
            SerialRow::Error(why) => writeln!(out, "no card: {why}")?,
        }
    }
    out.flush()
}
