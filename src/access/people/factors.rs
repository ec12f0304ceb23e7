//! Two factors: a card and then its PIN, or a card and a face in either order. What has been shown waits for
//! the rest until its time is over, and is then decided once. Other readers don't wait for it.

use crate::access::options::{PinOptions, ReaderOptions};
use crate::domain::{CardNumber, Duration, Instant, Key, Pin, ReaderId, SubjectId};

/// How long one who was let in without a PIN may still type the one that calls for help.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// A card that is to be decided. Without a PIN none was given, or what was given can't be one.
#[derive(Debug)]
pub(in crate::access) struct Presented {
    pub reader: ReaderId,
    pub card: CardNumber,
    pub pin: Option<Pin>,
}

/// What ending a PIN gives.
#[derive(Debug)]
pub(in crate::access) enum Typed {
    /// The card that waited for it.
    ForCard(Presented),
    /// It was typed by somebody who has just been let in.
    Afterwards(SubjectId, Pin),
}

#[derive(Clone, Debug)]
enum Whose {
    Card(CardNumber),
    LetIn(SubjectId),
}

#[derive(Clone, Debug)]
struct Waiting {
    whose: Whose,
    pin: Pin,
    /// More digits than any PIN has.
    overlong: bool,
    /// Whatever is typed, it is over by then.
    end: Instant,
}

#[derive(Clone, Debug)]
struct Keypad {
    options: PinOptions,
    waiting: Option<Waiting>,
}

/// One place for each reader.
#[derive(Clone, Debug)]
pub(in crate::access) struct Keypads(Vec<Option<Keypad>>);

impl Keypads {
    pub(in crate::access) fn new(readers: &[ReaderOptions]) -> Self {
        let keypad = |options| Keypad { options, waiting: None };
        Self(readers.iter().map(|reader| reader.pin.map(keypad)).collect())
    }

    fn at(&mut self, reader: ReaderId) -> Option<&mut Keypad> {
        self.0.get_mut(usize::from(reader.0))?.as_mut()
    }

    /// Lets a card wait for its PIN. Gives when that is over, and another card that was waiting there and gets
    /// none any more; the same card once more just begins anew.
    pub(in crate::access) fn hold(
        &mut self,
        now: Instant,
        reader: ReaderId,
        card: CardNumber,
    ) -> Option<(Instant, Option<Presented>)> {
        let keypad = self.at(reader)?;
        let end = now + keypad.options.total;
        let before = keypad.waiting.take();
        let whose = Whose::Card(card.clone());
        keypad.waiting = Some(Waiting { whose, pin: Pin::default(), overlong: false, end });
        let other = before.and_then(|before| match before.whose {
            Whose::Card(other) if other != card => {
                Some(Presented { reader, card: other, pin: None })
            }
            _ => None,
        });
        Some((end, other))
    }

    /// Somebody was let in without a PIN, and might type one all the same. Gives when that is over.
    pub(in crate::access) fn let_in(
        &mut self,
        now: Instant,
        reader: ReaderId,
        who: SubjectId,
    ) -> Option<Instant> {
        let keypad = self.at(reader)?;
        let end = now + AFTERWARDS;
        let whose = Whose::LetIn(who);
        keypad.waiting = Some(Waiting { whose, pin: Pin::default(), overlong: false, end });
        Some(end)
    }

    /// The card that waits at a reader for its PIN.
    pub(in crate::access) fn waiting_card(&self, reader: ReaderId) -> Option<&CardNumber> {
        match &self.0.get(usize::from(reader.0))?.as_ref()?.waiting.as_ref()?.whose {
            Whose::Card(card) => Some(card),
            Whose::LetIn(_) => None,
        }
    }

    /// Takes a key; keys without a card say nothing. Gives when the waiting is over now, or what this key ends.
    pub(in crate::access) fn key(
        &mut self,
        now: Instant,
        reader: ReaderId,
        key: Key,
    ) -> Option<Result<Instant, Option<Typed>>> {
        let keypad = self.at(reader)?;
        let waiting = keypad.waiting.as_mut()?;
        match key {
            Key::Digit(digit) => waiting.overlong |= !waiting.pin.push(digit),
            Key::Clear => (waiting.pin, waiting.overlong) = (Pin::default(), false),
            Key::Enter => {
                let Waiting { whose, pin, overlong, .. } = keypad.waiting.take()?;
                let pin = (!overlong).then_some(pin);
                return Some(Err(match whose {
                    Whose::Card(card) => Some(Typed::ForCard(Presented { reader, card, pin })),
                    Whose::LetIn(who) => pin.map(|pin| Typed::Afterwards(who, pin)),
                }));
            }
        }
        let due = match waiting.whose {
            Whose::Card(_) => waiting.end.min(now + keypad.options.between_keys),
            Whose::LetIn(_) => waiting.end,
        };
        Some(Ok(due))
    }

    /// The time is over, or a face has made the PIN unnecessary. Gives the card that waited.
    pub(in crate::access) fn end(&mut self, reader: ReaderId) -> Option<CardNumber> {
        match self.at(reader)?.waiting.take()?.whose {
            Whose::Card(card) => Some(card),
            Whose::LetIn(_) => None,
        }
    }
}
