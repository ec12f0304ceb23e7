//! OSDP's cycle: how often a gate hears from each reader of a bus, with 1, 4 and 8 of them at 9600 and
//! 115200 baud, in secure channels, over terminals that take as long as real bits. Beside it the floor:
//! the bits of a poll and its answer, for every reader on the bus.
//!
//! libosdp asks a reader again no sooner than 50 ms after its last answer, so one reader alone can't be
//! faster, whatever the bits allow.

#[path = "../tests/osdp/pacer.rs"]
mod pacer;
#[path = "../tests/osdp/readers.rs"]
mod readers;
#[path = "../tests/osdp/rig.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod rig;

use eithergate::io::osdp::{
    Bus, Enrolled, FdWire, Key, Keys, News, Options, ReaderOptions, What, Wire,
};
use eithergate::wire::osdp::{Capability, Identity, Profile};
use rig::{Device, Rig};
use rustix::fs::{Mode, OFlags, open};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Bytes of a poll and of its answer in a session: mark, header, security block, code, proof, CRC. The
/// pacer takes the mark off what the readers send.
const POLL: u32 = 1 + 5 + 2 + 1 + 4 + 2;
const ANSWER: u32 = 5 + 2 + 1 + 4 + 2;
const LIBRARY_MS: f64 = 50.0;

fn main() {
    rig::play_if_asked();
    println!("baud    readers  cycle p50    p99        floor      bits alone");
    for baud in [9_600, 115_200] {
        for count in [1, 4, 8] {
            let (p50, p99) = cycle(baud, count);
            let bits = f64::from((POLL + ANSWER) * 10 * u32::from(count)) / f64::from(baud) * 1e3;
            let one = bits / f64::from(count);
            let floor = bits.max(LIBRARY_MS + one);
            println!(
                "{baud:<7} {count:<8} {p50:>6.1} ms  {p99:>6.1} ms  {floor:>6.1} ms  {bits:>6.1} ms"
            );
        }
    }
}

/// Milliseconds between two commands to the same reader.
fn cycle(baud: u32, count: u8) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path().into());
    let mut rig = Rig::new(baud, &[]);
    let (mut devices, mut readers) = (Vec::new(), Vec::new());
    for address in 0..count {
        let bytes: [u8; 16] = std::array::from_fn(|i| (i * i * 7) as u8 ^ address ^ 0x5a);
        let name = format!("r{address}");
        let identity = Identity {
            vendor: 0x00ca_fe00,
            model: 2,
            version: 1,
            serial: 1_000 + u32::from(address),
            firmware: 0,
        };
        let profile = Profile { identity, capabilities: vec![Capability(9, 1, 0)] };
        let enrolled = Enrolled { key: Key::new(bytes), profile: Some(profile) };
        keys.save(&name, &enrolled).expect("a key file");
        let hex = bytes.iter().map(|b| format!("{b:02x}")).collect();
        devices.push(Device { address, key: Some(hex), secure: true });
        readers.push(ReaderOptions { name, address, low: false });
    }
    rig.plug(&devices);
    let port = rig.port.clone();
    let opener = move || {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
        Ok(Box::new(FdWire::new(open(&port, flags, Mode::empty())?)?) as Box<dyn Wire>)
    };
    let (sender, news) = sync_channel::<News>(1_024);
    let sink = move |n| sender.try_send(n).is_ok();
    let bus = Bus::start(Options { readers, baud, keys }, Box::new(opener), Box::new(sink));
    let _bus = bus.expect("a bus");
    let start = Instant::now();
    let mut up = 0;
    while up < count && start.elapsed() < Duration::from_secs(30) {
        if let Ok(News { what: What::Up, .. }) = news.recv_timeout(Duration::from_secs(5)) {
            up += 1;
        }
    }
    assert_eq!(up, count, "not all readers are up");
    std::thread::sleep(Duration::from_millis(500));
    rig.pace("forget");
    std::thread::sleep(Duration::from_secs(5));
    let said = rig.ask("cycles");
    let mut us = said.split(' ').skip(1).map(|n| n.parse::<f64>().unwrap_or(f64::NAN) / 1e3);
    (us.next().unwrap_or(f64::NAN), us.next().unwrap_or(f64::NAN))
}
