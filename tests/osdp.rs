//! OSDP against libosdp's own peripheral device, in another process, over a cable that takes its time and
//! can be cut, altered and replayed: enrolment, a thousand cards, an interruption, and each way in which a
//! reader must not be believed.
#![cfg(feature = "osdp")]

#[path = "osdp/gate.rs"]
mod gate;
#[path = "osdp/pacer.rs"]
mod pacer;
#[path = "osdp/readers.rs"]
mod readers;
#[path = "osdp/rig.rs"]
mod rig;

use eithergate::domain::{SecurityBreach, Signal};
use eithergate::io::osdp::{Bus, FdWire, Keys, News, Options, ReaderOptions, What, Wire};
use rig::{Device, Rig};
use rustix::fs::{Mode, OFlags, open};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(12);
const QUIET: Duration = Duration::from_millis(1_500);
const AGAIN: &[&str] = &["plays_its_part_in_the_rig", "--exact", "--nocapture"];

/// The rig's processes are this test, started again.
#[test]
fn plays_its_part_in_the_rig() {
    rig::play_if_asked();
}

struct Gate {
    bus: Bus,
    news: Receiver<News>,
}

impl Gate {
    fn start(rig: &Rig, keys: &Path, readers: &[(u8, bool)], baud: u32) -> Self {
        let port = rig.port.clone();
        let (sender, news) = sync_channel(4_096);
        let options = Options {
            readers: readers
                .iter()
                .map(|(address, low)| ReaderOptions {
                    name: format!("r{address}"),
                    address: *address,
                    low: *low,
                })
                .collect(),
            baud,
            keys: Keys::new(keys.into()),
        };
        let opener = move || {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
            let wire = FdWire::new(open(&port, flags, Mode::empty())?)?;
            Ok(Box::new(wire) as Box<dyn Wire>)
        };
        let bus =
            Bus::start(options, Box::new(opener), Box::new(move |n| sender.try_send(n).is_ok()));
        Self { bus: bus.expect("a bus"), news }
    }

    /// Waits for news that fits; what comes before it is passed over.
    fn wait(&self, at_most: Duration, fits: impl Fn(&News) -> bool) -> bool {
        let end = Instant::now() + at_most;
        loop {
            match self.news.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(news) if fits(&news) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn is_up(&self, reader: usize) -> bool {
        self.wait(SOON, |n| n.reader == reader && matches!(n.what, What::Up))
    }

    /// Waits until a reader is there and in its session, whatever is told of it.
    fn is_well(&self, reader: usize) -> bool {
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            if self.bus.status(reader).is_some_and(|s| s.up && s.secure) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Whether somebody was told of this, and no card came through, then or soon after.
    fn refused(&self, why: SecurityBreach) -> bool {
        let (mut told, mut end) = (false, Instant::now() + SOON);
        while let Ok(news) = self.news.recv_timeout(end.saturating_duration_since(Instant::now())) {
            match news.what {
                What::Card(_) => return false,
                What::Breach(w) if w == why && !told => {
                    (told, end) = (true, Instant::now() + QUIET);
                }
                _ => {}
            }
        }
        told
    }

    fn no_card(&self) -> bool {
        !self.wait(QUIET, |n| matches!(n.what, What::Card(_)))
    }

    fn enrol(&self, rig: &Rig, reader: usize) -> String {
        self.bus.install(reader, Duration::from_secs(30)).expect("install mode");
        let key = rig.heard("key ", SOON).expect("a key was set");
        assert!(self.wait(SOON, |n| n.reader == reader && matches!(n.what, What::Enrolled)));
        key.split_once(' ').expect("address and key").1.to_owned()
    }
}

fn new(address: u8) -> Device {
    Device { address, key: None, secure: true }
}

#[test]
fn a_thousand_cards_and_a_cut_cable() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::new(115_200, AGAIN);
    rig.plug(&[new(0), new(1), new(2), new(3)]);
    let gate =
        Gate::start(&rig, keys.path(), &[(0, false), (1, false), (2, false), (3, false)], 115_200);
    let made: Vec<String> = (0..4).map(|i| gate.enrol(&rig, i)).collect();
    for (i, key) in made.iter().enumerate() {
        assert!(!made[..i].contains(key), "a key was used twice");
    }

    for address in 0..4 {
        rig.reader(&format!("cards {address} 250"));
    }
    let mut seen: BTreeMap<u128, u32> = BTreeMap::new();
    let start = Instant::now();
    let total = |seen: &BTreeMap<u128, u32>| seen.values().sum::<u32>();
    while total(&seen) < 1_000 && start.elapsed() < Duration::from_secs(60) {
        if let Ok(News { reader, what: What::Card(bits) }) = gate.news.recv_timeout(SOON) {
            assert_eq!(bits.value() >> 24, reader as u128, "another reader's card");
            *seen.entry(bits.value()).or_default() += 1;
        }
    }
    println!("1,000 cards by four readers in {:.1} s", start.elapsed().as_secs_f64());
    assert!(gate.no_card(), "more cards than were shown");
    assert_eq!((seen.len(), total(&seen), gate.bus.lost()), (1_000, 1_000, 0));

    // Signals, keys, tamper and power.
    assert!(gate.bus.signal(2, Signal::Granted));
    assert_eq!(rig.heard("led 2 ", SOON).as_deref(), Some("2"), "green");
    assert_eq!(rig.heard("buzzer 2 ", SOON).as_deref(), Some("1"));
    rig.reader("keys 1 12*#");
    for key in [b'1', b'2', 0x7f, 0x0d] {
        assert!(gate.wait(SOON, |n| n.reader == 1 && matches!(n.what, What::Key(k) if k == key)));
    }
    rig.reader("local 3 1 0");
    assert!(gate.wait(SOON, |n| n.reader == 3 && matches!(n.what, What::Tamper(true))));
    rig.reader("local 3 0 1");
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Tamper(false))));
    assert!(gate.wait(SOON, |n| n.reader == 3 && matches!(n.what, What::PowerFailing(true))));

    // Ten seconds without a cable.
    rig.pace("cut");
    let cut = Instant::now();
    for _ in 0..4 {
        assert!(gate.wait(SOON, |n| matches!(n.what, What::Down)), "nobody noticed");
    }
    println!("noticed after {:.1} s", cut.elapsed().as_secs_f64());
    std::thread::sleep(Duration::from_secs(10).saturating_sub(cut.elapsed()));
    rig.pace("join");
    let joined = Instant::now();
    for _ in 0..4 {
        assert!(gate.wait(SOON, |n| matches!(n.what, What::Up)), "not back");
    }
    let back = joined.elapsed();
    println!("all four back after {:.2} s", back.as_secs_f64());
    assert!(back < Duration::from_secs(5), "{back:?}");
    rig.reader("cards 0 1");
    assert!(gate.wait(SOON, |n| n.reader == 0 && matches!(n.what, What::Card(_))));
}

#[test]
fn what_must_not_be_believed_is_refused_and_told() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::new(115_200, AGAIN);
    let with = |key: &str| Device { address: 5, key: Some(key.into()), secure: true };
    rig.plug(&[new(5)]);

    // Outside install mode nobody talks with a reader that has no key, and never with the default one.
    let gate = Gate::start(&rig, keys.path(), &[(5, false)], 115_200);
    rig.reader("card 5 26 2f657ae");
    assert!(gate.no_card(), "a card of a reader without a key");
    assert!(!gate.bus.status(0).expect("a reader").up);
    assert_eq!(rig.ask("cycles"), "0 0 0", "somebody talked with it");
    let key = gate.enrol(&rig, 0);
    assert!(gate.is_up(0) && gate.bus.status(0).expect("a reader").secure);
    // What it read before waits in the reader itself, and comes now that there is a session.
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Card(_))), "the reader's own card");

    // Cards that are not in the session: plain, and in a handshake's clothes. The reader's own go on.
    for forgery in ["plain", "block12", "block14"] {
        let done: u32 = rig.ask("done").parse().expect("a number");
        assert!(gate.is_well(0), "before {forgery}");
        rig.pace(&format!("next {forgery}"));
        assert!(gate.refused(SecurityBreach::Plaintext), "{forgery}");
        assert_eq!(rig.ask("done"), (done + 1).to_string());
    }
    // One before the session, kept for after it.
    assert!(gate.is_well(0));
    while gate.news.try_recv().is_ok() {}
    rig.pace("cut");
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Down)));
    rig.pace("next before");
    rig.pace("join");
    assert!(gate.refused(SecurityBreach::Plaintext), "before");
    assert!(gate.is_well(0));
    assert!(gate.no_card(), "before: it came through later");

    // Recorded bytes: as they were, and with the number made to fit.
    rig.pace("next record");
    rig.reader("card 5 26 2f657ae");
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Card(_))), "the reader's own card");
    for replayed in ["replay", "renumbered"] {
        assert!(gate.is_well(0), "before {replayed}");
        rig.pace(&format!("next {replayed}"));
        assert!(gate.refused(SecurityBreach::Replay), "{replayed}");
    }
    rig.reader("card 5 26 2f623ae");
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Card(_))), "not well again");

    // Wrong bits on the cable are noise and no alarm, and cost at most the session.
    rig.pace("flip 40");
    let end = Instant::now() + Duration::from_secs(4);
    let mut noise = 0;
    while let Ok(news) = gate.news.recv_timeout(end.saturating_duration_since(Instant::now())) {
        assert!(!matches!(news.what, What::Breach(_) | What::Card(_)));
        noise += u32::from(matches!(news.what, What::Noise));
    }
    assert!(noise > 0, "nothing was altered");
    rig.pace("honest");

    // The same reader with another key, and one fresh from the factory.
    let other = "5f0c81a2d4e6937b1829405a6c7d8e9f";
    for (device, why) in [
        (with(other), SecurityBreach::WrongKey),
        (new(5), SecurityBreach::WrongKey),
        (Device { secure: false, ..with(&key) }, SecurityBreach::Downgrade),
    ] {
        rig.plug(&[device]);
        rig.reader("card 5 26 2f657ae");
        assert!(gate.refused(why), "{why:?}");
        assert!(!gate.bus.status(0).expect("a reader").up);
    }
    rig.plug(&[with(&key)]);
    assert!(gate.is_up(0), "not well again");
    // Somebody takes the secure channel out of what it says it can do.
    assert!(gate.is_well(0));
    rig.pace("cut");
    assert!(gate.wait(SOON, |n| matches!(n.what, What::Down)));
    rig.pace("downgrade");
    rig.pace("join");
    assert!(gate.refused(SecurityBreach::Downgrade));
    assert!(!gate.bus.status(0).expect("a reader").up);
    rig.pace("honest");
    assert!(gate.is_up(0), "not well again");
    drop(gate);

    // Keys that somebody wrote into the file.
    let file = keys.path().join("r5.key");
    let kept = std::fs::read_to_string(&file).expect("the key file");
    for weak in ["303132333435363738393a3b3c3d3e3f", &"00".repeat(16), &"a5".repeat(16)] {
        std::fs::write(&file, kept.replace(&key, weak)).expect("written");
        let gate = Gate::start(&rig, keys.path(), &[(5, false)], 115_200);
        assert!(gate.refused(SecurityBreach::WeakKey));
    }
}

#[test]
fn an_install_window_closes_and_low_readers_are_low_by_name() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::new(115_200, AGAIN);
    let other = "5f0c81a2d4e6937b1829405a6c7d8e9f";
    rig.plug(&[
        Device { address: 1, key: Some(other.into()), secure: true },
        Device { address: 2, key: None, secure: false },
    ]);
    let gate = Gate::start(&rig, keys.path(), &[(1, false), (2, true)], 115_200);
    assert!(gate.is_up(1), "the low reader");
    rig.reader("card 2 26 2f657ae");
    assert!(gate.wait(SOON, |n| n.reader == 1 && matches!(n.what, What::Card(_))));
    assert!(gate.bus.install(1, SOON).is_err(), "a low reader has no key");

    // A reader that has somebody else's key takes none, in whatever window.
    gate.bus.install(0, Duration::from_secs(3)).expect("install mode");
    assert!(gate.bus.status(0).expect("a reader").installing);
    assert!(gate.bus.install(0, SOON).is_err(), "twice");
    let ended = |n: &News| matches!(n.what, What::InstallEnded { enrolled: false });
    assert!(gate.wait(SOON, ended), "the window stayed open");
    assert!(!gate.bus.status(0).expect("a reader").installing);

    // Once closed, a reader with the default key waits in vain; the other one goes on.
    rig.plug(&[new(1), Device { address: 2, key: None, secure: false }]);
    assert!(rig.heard("key ", Duration::from_secs(3)).is_none(), "a key outside the window");
    rig.reader("card 2 26 2f657ae");
    assert!(gate.wait(SOON, |n| n.reader == 1 && matches!(n.what, What::Card(_))));
    gate.enrol(&rig, 0);
    assert!(gate.is_up(0));
}
