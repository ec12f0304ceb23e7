//! The allowlist at its limits: how long 100,000 cards take to apply, how large a million are, how fast one is
//! found. Prints JSON, one object a line. Run with `cargo bench --bench allowlist`.

use eithergate::allowlist::{Allowlist, CardKey, Entry, Plain};
use eithergate::domain::{CardNumber, Directory, OperatorId, SubjectId, WallTime, Ways};
use eithergate::trust::{
    Certificate, Draft, Expectation, GateKeys, Key256, Purpose, Role, SecretKey, seal,
};
use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const LOOKUPS: usize = 200_000;

fn resident_kb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Spreads counters over 64 bits (Steele, Lea and Flood's SplitMix64), so that ids look random.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn card(n: u64) -> Result<CardNumber, Box<dyn Error>> {
    Ok(CardNumber::new("h10302".parse()?, u128::from(n)))
}

/// What a list takes in memory: opened in a fresh process, so that nothing this one has freed is counted.
fn index_kb(envelope: &[u8], keys: &GateKeys, root: &SecretKey) -> Result<u64, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("envelope"), envelope)?;
    std::fs::write(dir.path().join("keys"), keys.to_file_text().as_bytes())?;
    std::fs::write(dir.path().join("root"), root.public().to_string())?;
    let output = Command::new(std::env::current_exe()?).arg("open").arg(dir.path()).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The fresh process's part.
fn open(dir: &Path) -> Result<(), Box<dyn Error>> {
    let keys = GateKeys::from_file_text(&std::fs::read_to_string(dir.join("keys"))?)?;
    let root = std::fs::read_to_string(dir.join("root"))?.parse()?;
    let expected = Expectation { site: "garden".parse()?, gate: "north".parse()?, root, now: None };
    let before_kb = resident_kb()?;
    let envelope = std::fs::read(dir.join("envelope"))?;
    let list = Allowlist::open(&envelope, &keys, &expected, None).map_err(|e| format!("{e:?}"))?;
    drop(envelope);
    println!("{}", resident_kb()?.saturating_sub(before_kb));
    black_box(list);
    Ok(())
}

/// What the office lists for a card: its own name, and one for each view of the site's.
fn names(n: u64, names: usize) -> Result<Vec<CardNumber>, Box<dyn Error>> {
    let mut all = vec![card(n)?];
    for view in ["low24", "low32", "high24"].iter().take(names.saturating_sub(1)) {
        all.push(CardNumber::new(view.parse()?, u128::from(n)));
    }
    Ok(all)
}

fn run(cards: u64, names_each: usize) -> Result<(), Box<dyn Error>> {
    let (root, operator, keys) =
        (SecretKey::generate(), SecretKey::generate(), GateKeys::generate());
    let (site, gate) = ("garden".parse()?, "north".parse()?);
    let (from, until) = (WallTime::from_secs(1), WallTime::from_secs(4_000_000_000));
    let office: OperatorId = "office".parse()?;
    let key = operator.public();
    let certificate = Certificate::new("garden".parse()?, office, key, Role::Office, from, until);
    let certificate = certificate.issue(&root)?;
    let card_key = CardKey(Key256::generate());

    let started = Instant::now();
    let mut plain = Plain { card_key: card_key.clone(), entries: Default::default() };
    for n in 0..cards {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&mix(n).to_le_bytes());
        let ways = Ways { card: true, face: n % 10 == 0 };
        let names = names(n, names_each)?;
        let cards = names.iter().map(|name| card_key.credential(name)).collect();
        plain.entries.insert(SubjectId(id), Entry { ways, cards, ..Entry::default() });
    }
    let bytes = plain.to_bytes()?;
    drop(plain);
    let draft = Draft {
        site: &site,
        gate: &gate,
        seal_to: &keys.public().sealing,
        purpose: Purpose::Allowlist,
        version: 1,
        issued_at: from,
        expires_at: until,
        epoch: 1,
        epoch_key: &Key256::generate(),
        plain: &bytes,
    };
    let envelope = seal(&draft, &operator, &certificate).ok_or("too large")?;
    let made_ms = started.elapsed().as_secs_f64() * 1e3;
    drop(bytes);

    let expected = Expectation {
        site: "garden".parse()?,
        gate: "north".parse()?,
        root: root.public(),
        now: Some(WallTime::from_secs(2)),
    };
    let started = Instant::now();
    let list = Allowlist::open(&envelope, &keys, &expected, None).map_err(|e| format!("{e:?}"))?;
    let apply_ms = started.elapsed().as_secs_f64() * 1e3;
    let index_kb = index_kb(&envelope, &keys, &root)?;

    // Known and unknown cards in turn, spread over the whole list.
    let presented: Vec<CardNumber> =
        (0..LOOKUPS as u64).map(|n| card(mix(n) % (2 * cards))).collect::<Result<_, _>>()?;
    let mut found = 0;
    let mut ns: Vec<u64> = Vec::with_capacity(LOOKUPS);
    for card in &presented {
        let started = Instant::now();
        let right = black_box(list.card(black_box(card)));
        ns.push(started.elapsed().as_nanos() as u64);
        found += usize::from(right.is_some());
    }
    ns.sort_unstable();
    let at =
        |share: f64| ns.get((ns.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1e3;
    println!(
        "{}",
        json!({
            "cards": cards, "names_per_card": names_each, "envelope_bytes": envelope.len(), "made_ms": made_ms,
            "apply_ms": apply_ms, "index_kb": index_kb,
            "index_bytes_per_card": index_kb as f64 * 1024.0 / cards as f64,
            "found_share": found as f64 / LOOKUPS as f64,
            "lookup_p50_us": at(0.5), "lookup_p99_us": at(0.99), "lookup_p999_us": at(0.999),
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|arg| arg == "open") {
        return open(Path::new(&args.next().ok_or("open what?")?));
    }
    // One name a card; and three, for a site whose readers have two views that cut serials.
    for (cards, names) in [(100_000, 1), (100_000, 3), (1_000_000, 1)] {
        run(cards, names)?;
    }
    Ok(())
}
