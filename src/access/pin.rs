//! Card, then PIN: a card waits at its reader until its PIN is complete or its time is over, and is then
//! decided once. Other readers' cards and faces don't wait for it.

use super::ReaderOptions;
use crate::domain::{CardNumber, Duration, Instant, Key, Pin, ReaderId};

/// How long a card waits for its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinOptions {
    /// From the card to the end of the PIN.
    pub total: Duration,
    /// From one key to the next, and from the card to the first.
    pub between_keys: Duration,
}

/// A card that is to be decided. Without a PIN none was given, or what was given can't be one.
#[derive(Debug)]
pub(super) struct Presented {
    pub reader: ReaderId,
    pub card: CardNumber,
    pub pin: Option<Pin>,
}

#[derive(Debug)]
struct Waiting {
    card: CardNumber,
    pin: Pin,
    /// More digits than any PIN has.
    overlong: bool,
    /// Whatever is typed, it is over by then.
    end: Instant,
    due: Instant,
}

#[derive(Debug)]
struct Keypad {
    options: PinOptions,
    waiting: Option<Waiting>,
}

/// One place for each reader.
#[derive(Debug)]
pub(super) struct Pins(Vec<Option<Keypad>>);

impl Pins {
    pub(super) fn new(readers: &[ReaderOptions]) -> Self {
        let keypad = |options| Keypad { options, waiting: None };
        Self(readers.iter().map(|reader| reader.pin.map(keypad)).collect())
    }

    fn keypad(&mut self, reader: ReaderId) -> Option<&mut Keypad> {
        self.0.get_mut(usize::from(reader.0))?.as_mut()
    }

    pub(super) fn wants_one(&self, reader: ReaderId) -> bool {
        self.0.get(usize::from(reader.0)).is_some_and(Option::is_some)
    }

    /// Lets a card wait. Gives back another one that was waiting there and gets no PIN any more; the same
    /// card once more just begins anew.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        reader: ReaderId,
        card: CardNumber,
    ) -> Option<Presented> {
        let keypad = self.keypad(reader)?;
        let end = now + keypad.options.total;
        let waiting = Waiting { card, pin: Pin::default(), overlong: false, end, due: end };
        let other = keypad.waiting.take_if(|before| before.card != waiting.card);
        keypad.waiting = Some(waiting);
        other.map(|before| Presented { reader, card: before.card, pin: None })
    }

    /// Takes a key. Gives the card that waited if this ends its PIN; keys without a card say nothing.
    pub(super) fn key(&mut self, now: Instant, reader: ReaderId, key: Key) -> Option<Presented> {
        let keypad = self.keypad(reader)?;
        let waiting = keypad.waiting.as_mut()?;
        match key {
            Key::Digit(digit) => waiting.overlong |= !waiting.pin.push(digit),
            Key::Clear => (waiting.pin, waiting.overlong) = (Pin::default(), false),
            Key::Enter => {
                let Waiting { card, pin, overlong, .. } = keypad.waiting.take()?;
                let pin = (!overlong && !pin.is_empty()).then_some(pin);
                return Some(Presented { reader, card, pin });
            }
        }
        waiting.due = waiting.end.min(now + keypad.options.between_keys);
        None
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().filter_map(|k| k.waiting.as_ref()).map(|w| w.due).min()
    }

    /// A card whose time is over at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Presented> {
        for (i, keypad) in self.0.iter_mut().enumerate() {
            let Some(keypad) = keypad else { continue };
            if let Some(over) = keypad.waiting.take_if(|waiting| waiting.due <= now) {
                return Some(Presented { reader: ReaderId(i as u8), card: over.card, pin: None });
            }
        }
        None
    }
}
