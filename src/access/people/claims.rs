//! Who somebody before the camera says to be: their PIN and Enter at a keypad beside it, with no card before.
//! It opens nothing; it says with whom a face is to be compared.

use crate::domain::{Duration, Instant, Key, Pin, ReaderId};

/// Keys farther apart don't belong together.
const BETWEEN_KEYS: Duration = Duration::from_secs(5);

/// One place for each reader.
#[derive(Clone, Debug)]
pub(in crate::access) struct ClaimKeys(Vec<Typing>);

#[derive(Clone, Debug, Default)]
struct Typing {
    pin: Pin,
    /// More digits than any PIN has.
    overlong: bool,
    last: Option<Instant>,
}

impl ClaimKeys {
    pub(in crate::access) fn new(readers: usize) -> Self {
        Self(vec![Typing::default(); readers])
    }

    /// A key that no card waits for. Gives what Enter ends.
    pub(in crate::access) fn key(
        &mut self,
        now: Instant,
        reader: ReaderId,
        key: Key,
    ) -> Option<Pin> {
        let typing = self.0.get_mut(usize::from(reader.0))?;
        if typing.last.is_some_and(|last| now.since(last) > BETWEEN_KEYS) {
            *typing = Typing::default();
        }
        typing.last = Some(now);
        match key {
            Key::Digit(digit) => typing.overlong |= !typing.pin.push(digit),
            Key::Clear => *typing = Typing::default(),
            Key::Enter => {
                let Typing { pin, overlong, .. } = std::mem::take(typing);
                return (!overlong && !pin.is_empty()).then_some(pin);
            }
        }
        None
    }
}
