//! One serial reader: what arrives on its port to cards, on the port's own thread. The framing is `wire`'s
//! business, the port `io`'s.

use super::{LinkNews, Meaning};
use crate::access::Input;
use crate::app::Event;
use crate::config::{Config, Link};
use crate::domain::{Clock, Duration, Instant, ReadFault, ReaderId};
use crate::io::serial::{self, SerialEvent};
use crate::wire::Parsed;
use crate::wire::serial::{Outcome, Parser};
use std::sync::mpsc::SyncSender;

/// How soon news is offered again for which the loop had no room.
const AGAIN: Duration = Duration::from_millis(50);

/// Starts listening on every serial reader's port.
pub(in crate::app) fn start(
    config: &Config,
    clock: impl Clock + Clone + Send + 'static,
    sender: &SyncSender<Event>,
) -> std::io::Result<()> {
    for (i, reader) in config.readers.iter().enumerate() {
        let Link::Serial(link) = &reader.link else { continue };
        let parser = Parser::new(link.framing.framing.clone());
        let sender = sender.clone();
        let offer = move |meaning| sender.try_send(Event::Reader(meaning)).is_ok();
        let mut line = Line::new(ReaderId(i as u8), reader.name.clone(), parser, offer);
        let listener = Box::new(move |now, event: SerialEvent<'_>| line.take(now, event));
        serial::listen(link.port.clone(), clock.clone(), listener)?;
    }
    Ok(())
}

/// One port's bytes on their way to the loop, which may have no room.
struct Line<F> {
    id: ReaderId,
    name: String,
    parser: Parser,
    /// Gives a meaning to the loop; `false` if there was no room.
    offer: F,
    /// Whether the port is there, if the loop doesn't know yet.
    untold: Option<LinkNews>,
    /// Reads that the loop had no room for.
    lost: u32,
    /// Bytes of this burst that belong to no frame, and when the burst is over.
    strays: Option<(u32, Instant)>,
}

/// Silence that ends a burst of bytes.
const BURST_ENDS: Duration = Duration::from_millis(100);
/// So many bytes without a frame are no line ending and no noise: a reader of another speed or framing.
const FOREIGN: u32 = 6;

impl<F: FnMut(Meaning) -> bool> Line<F> {
    fn new(id: ReaderId, name: String, parser: Parser, offer: F) -> Self {
        Self { id, name, parser, offer, untold: None, lost: 0, strays: None }
    }

    /// Takes what happened; says when it wants to be asked again.
    fn take(&mut self, now: Instant, event: SerialEvent<'_>) -> Option<Instant> {
        self.end_burst(now);
        match event {
            SerialEvent::Up => {
                // Somebody may be in the middle of a frame.
                self.parser.poison(now);
                self.untold = Some(LinkNews::Up);
            }
            SerialEvent::Down(why) => {
                tracing::warn!(reader = %self.name, %why, "the reader's port is not there");
                self.parser.poison(now);
                self.untold = Some(LinkNews::Down);
            }
            SerialEvent::Bytes(bytes) => {
                self.catch_up();
                for byte in bytes {
                    let outcome = self.parser.byte(now, *byte);
                    self.stray(now, &outcome);
                    self.tell(outcome);
                    self.poll(now);
                }
            }
            SerialEvent::Quiet => self.poll(now),
        }
        if !self.catch_up() {
            return Some(now + AGAIN);
        }
        let burst_ends = self.strays.map(|(_, ends)| ends);
        self.parser.deadline().into_iter().chain(burst_ends).min()
    }

    /// Counts what begins no frame. A frame, good or bad, is told by itself.
    fn stray(&mut self, now: Instant, outcome: &Outcome) {
        match outcome {
            Parsed::NotForUs => {
                let (count, _) = self.strays.unwrap_or((0, now));
                self.strays = Some((count.saturating_add(1), now + BURST_ENDS));
            }
            Parsed::NeedMore => {}
            Parsed::Item(_) | Parsed::Corrupt(_) => self.strays = None,
        }
    }

    /// A burst in which nothing was recognised must not look like a reader that is not connected.
    fn end_burst(&mut self, now: Instant) {
        if let Some((count, _)) = self.strays.take_if(|(_, ends)| *ends <= now)
            && count >= FOREIGN
        {
            let reader = self.id;
            tracing::debug!(reader = %self.name, count, "bytes of another speed or framing");
            if !(self.offer)(Meaning::Fault { reader, fault: ReadFault::Framing }) {
                self.lost = self.lost.saturating_add(1);
            }
        }
    }

    fn poll(&mut self, now: Instant) {
        while let Some(outcome) = self.parser.poll(now) {
            self.tell(outcome);
        }
    }

    fn tell(&mut self, outcome: Outcome) {
        let reader = self.id;
        let meaning = match outcome {
            Parsed::NeedMore | Parsed::NotForUs => return,
            Parsed::Item(tag) => {
                Meaning::Input(Input::Card { reader, card: tag.card(self.parser.framing()) })
            }
            Parsed::Corrupt(why) => {
                tracing::debug!(reader = %self.name, %why, "a read that is no card");
                Meaning::Fault { reader, fault: why.fault() }
            }
        };
        if !(self.offer)(meaning) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Tells what the loop had no room for before; whether nothing is left.
    fn catch_up(&mut self) -> bool {
        let reader = self.id;
        if let Some(news) = self.untold
            && (self.offer)(Meaning::Link { reader, news })
        {
            self.untold = None;
        }
        while self.lost > 0 && (self.offer)(Meaning::Fault { reader, fault: ReadFault::Lost }) {
            self.lost -= 1;
        }
        self.untold.is_none() && self.lost == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::serial::preset;
    use std::cell::{Cell, RefCell};

    const NOW: Instant = Instant(9_000_000);
    const LATER: Duration = Duration::from_secs(1);

    fn words(meanings: &RefCell<Vec<Meaning>>) -> Vec<String> {
        let word = |meaning: Meaning| match meaning {
            Meaning::Input(Input::Card { card, .. }) => card.to_canonical(),
            Meaning::Fault { fault, .. } => fault.to_string(),
            Meaning::Link { news, .. } => format!("{news:?}"),
            other => format!("{other:?}"),
        };
        meanings.borrow_mut().drain(..).map(word).collect()
    }

    #[test]
    fn cards_faults_and_the_port_reach_the_loop_in_order() {
        let framing = preset("rdm6300").expect("a preset");
        let good = framing.encode(42).expect("it fits");
        let told = RefCell::new(Vec::new());
        let offer = |meaning| {
            told.borrow_mut().push(meaning);
            true
        };
        let mut line = Line::new(ReaderId(1), "yard".into(), Parser::new(framing), offer);
        assert_eq!(line.take(NOW, SerialEvent::Down("gone".into())), None);
        line.take(NOW, SerialEvent::Up);
        line.take(NOW, SerialEvent::Bytes(&good[..5]));
        let due = line.take(NOW, SerialEvent::Bytes(&good[5..9])).expect("midway");
        line.take(due, SerialEvent::Quiet);
        let stream = [&b"\x02x"[..], &good].concat();
        line.take(due, SerialEvent::Bytes(&stream));
        assert_eq!(words(&told), ["Down", "Up", "framing", "framing", "em4100:42"]);
        // The port goes in the middle of a frame: its rest is no card.
        line.take(NOW + LATER, SerialEvent::Bytes(&good[..5]));
        line.take(NOW + LATER, SerialEvent::Down("gone".into()));
        line.take(NOW + LATER, SerialEvent::Up);
        line.take(NOW + LATER, SerialEvent::Bytes(&good[5..]));
        assert_eq!(words(&told), ["Down", "Up"]);
    }

    #[test]
    fn bytes_of_another_speed_are_told_once_a_burst_and_line_endings_are_not() {
        let framing = preset("rdm6300").expect("a preset");
        let good = framing.encode(42).expect("it fits");
        let told = RefCell::new(Vec::new());
        let offer = |meaning| {
            told.borrow_mut().push(meaning);
            true
        };
        let mut line = Line::new(ReaderId(0), "yard".into(), Parser::new(framing), offer);
        line.take(NOW, SerialEvent::Up);
        let due = line.take(NOW, SerialEvent::Bytes(b"\xe6\x18\x80\xff\xfe\x66\x00\x9e"));
        line.take(due.expect("the burst ends"), SerialEvent::Quiet);
        assert_eq!(words(&told), ["Up", "framing"]);
        let stream = [&good[..], b"\r\n"].concat();
        let due = line.take(NOW + LATER, SerialEvent::Bytes(&stream));
        assert_eq!(line.take(due.expect("the burst ends"), SerialEvent::Quiet), None);
        assert_eq!(words(&told), ["em4100:42"]);
    }

    #[test]
    fn what_the_loop_had_no_room_for_is_counted_and_told_later() {
        let framing = preset("rdm6300").expect("a preset");
        let good = framing.encode(42).expect("it fits");
        let (told, room) = (RefCell::new(Vec::new()), Cell::new(false));
        let offer = |meaning| {
            if room.get() {
                told.borrow_mut().push(meaning);
            }
            room.get()
        };
        let mut line = Line::new(ReaderId(0), "yard".into(), Parser::new(framing), offer);
        assert_eq!(line.take(NOW, SerialEvent::Up), Some(NOW + AGAIN));
        assert_eq!(line.take(NOW, SerialEvent::Bytes(&good)), Some(NOW + AGAIN));
        line.take(NOW, SerialEvent::Bytes(&good));
        room.set(true);
        assert_eq!(line.take(NOW + LATER, SerialEvent::Quiet), None);
        assert_eq!(words(&told), ["Up", "lost", "lost"]);
        line.take(NOW + LATER, SerialEvent::Bytes(&good));
        assert_eq!(words(&told), ["em4100:42"]);
    }
}
