//! OSDP readers: each bus's news to what it means for the gate, and signals back. The frames and keys are
//! `io::osdp`'s business.

use super::{LinkNews, Meaning};
use crate::access::Input;
use crate::app::Event;
use crate::config::{Config, Link};
use crate::domain::{Key, ReadFault, ReaderId, Signal};
use crate::io::osdp::{
    Bus, InstallError, Keys, News, Opener, Options, ReaderOptions, Status, What, Wire,
};
use crate::io::port::{self, Port};
use crate::wire::format::{self, Format};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// The gate's buses, each with a thread of its own.
#[derive(Default)]
pub(in crate::app) struct Buses {
    /// With the readers in their order on the bus.
    buses: Vec<(Bus, Vec<ReaderId>)>,
}

/// A reader of a bus: who it is, and what it may send.
struct Seat {
    id: ReaderId,
    formats: Vec<Format>,
}

impl Buses {
    /// Starts every bus of the configuration. A port that isn't there is tried again, so nothing waits.
    pub(in crate::app) fn start(config: &Config, events: &SyncSender<Event>) -> io::Result<Self> {
        let mut buses = Vec::new();
        for (number, bus) in config.buses.iter().enumerate() {
            let (mut seats, mut readers) = (Vec::new(), Vec::new());
            for (i, reader) in config.readers.iter().enumerate() {
                let Link::Osdp(link) = &reader.link else { continue };
                if link.bus == number {
                    let (name, address, low) = (reader.name.clone(), link.address, link.low);
                    readers.push(ReaderOptions { name, address, low });
                    seats.push(Seat { id: ReaderId(i as u8), formats: reader.formats.clone() });
                }
            }
            let ids = seats.iter().map(|seat| seat.id).collect();
            let keys = Keys::new(config.data_dir.join("readers"));
            let options = Options { readers, baud: bus.port.baud, keys };
            let settings = bus.port.clone();
            let opener: Opener = Box::new(move || {
                let port = port::open(&settings).map_err(io::Error::other)?;
                Ok(Box::new(BusPort(port)) as Box<dyn Wire>)
            });
            let events = events.clone();
            let sink = move |news: News| match seats.get(news.reader).map(|s| meaning(s, news.what))
            {
                Some(Some(meaning)) => events.try_send(Event::Reader(meaning)).is_ok(),
                _ => true,
            };
            buses.push((Bus::start(options, opener, Box::new(sink))?, ids));
        }
        Ok(Self { buses })
    }

    fn find(&self, reader: ReaderId) -> Option<(&Bus, usize)> {
        self.buses.iter().find_map(|(bus, ids)| {
            let place = ids.iter().position(|id| *id == reader)?;
            Some((bus, place))
        })
    }

    /// Shows a signal at a reader. Never waits.
    pub(in crate::app) fn show(&self, reader: ReaderId, signal: Signal) {
        if let Some((bus, place)) = self.find(reader)
            && !bus.signal(place, signal)
        {
            tracing::debug!("a bus is too busy for a signal");
        }
    }

    /// Opens the install window of a reader. Waits for the bus: not for the loop.
    pub(in crate::app) fn install(
        &self,
        reader: ReaderId,
        time: Duration,
    ) -> Result<(), InstallError> {
        let (bus, place) = self.find(reader).ok_or(InstallError::NoSuchReader)?;
        bus.install(place, time)
    }

    pub(in crate::app) fn status(&self, reader: ReaderId) -> Option<Status> {
        let (bus, place) = self.find(reader)?;
        bus.status(place)
    }

    /// Cards and keys of all buses that the loop had no room for.
    pub(in crate::app) fn lost(&self) -> u64 {
        self.buses.iter().map(|(bus, _)| bus.lost()).sum()
    }
}

fn meaning(seat: &Seat, what: What) -> Option<Meaning> {
    let reader = seat.id;
    let fault = |fault| Meaning::Fault { reader, fault };
    let link = |news| Meaning::Link { reader, news };
    Some(match what {
        What::Card(bits) => match format::decode(bits, &seat.formats) {
            Ok(card) => Meaning::Input(Input::Card { reader, card }),
            Err(why) => fault(why.read_fault()),
        },
        What::NoCard => fault(ReadFault::Length),
        What::Noise => fault(ReadFault::Framing),
        What::Key(code) => match key(code) {
            Some(key) => Meaning::Key { reader, key },
            None => fault(ReadFault::Framing),
        },
        What::Up => link(LinkNews::Up),
        What::Down => link(LinkNews::Down),
        What::Tamper(active) => link(LinkNews::Tamper(active)),
        What::PowerFailing(failing) => link(LinkNews::Power(failing)),
        What::Breach(why) => Meaning::Breach { reader, why },
        // The end of the window says it.
        What::Enrolled => return None,
        What::InstallEnded { enrolled } => Meaning::InstallEnded { reader, enrolled },
    })
}

/// OSDP's keys are ASCII, with DELETE for the star and RETURN for the hash; some readers send those plainly.
fn key(code: u8) -> Option<Key> {
    match code {
        b'0'..=b'9' => Some(Key::Digit(code - b'0')),
        0x7f | b'*' => Some(Key::Clear),
        b'\r' | b'#' => Some(Key::Enter),
        _ => None,
    }
}

/// A port as a bus wants it.
struct BusPort(Port);

impl Wire for BusPort {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::wiegand::Bits;

    #[test]
    fn what_a_bus_says_is_what_any_reader_says() {
        let formats = vec![format::builtin("h10301").unwrap()];
        let seat = Seat { id: ReaderId(3), formats };
        let said = |what| meaning(&seat, what).unwrap();
        let card = |value| said(What::Card(Bits::new(value, 26).unwrap()));
        assert!(matches!(
            card(0x2f6_57ae),
            Meaning::Input(Input::Card { reader: ReaderId(3), .. })
        ));
        assert!(matches!(card(0x2f6_57af), Meaning::Fault { fault: ReadFault::Parity, .. }));
        assert!(matches!(said(What::NoCard), Meaning::Fault { fault: ReadFault::Length, .. }));
        for (code, want) in [
            (b'7', Some(Key::Digit(7))),
            (0x7f, Some(Key::Clear)),
            (b'*', Some(Key::Clear)),
            (0x0d, Some(Key::Enter)),
            (0, None),
        ] {
            assert_eq!(key(code), want, "{code}");
        }
    }
}
