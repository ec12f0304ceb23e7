//! The pins' part of the loop: edges in, how far they reach, and what is done when they stop coming.

use super::Gate;
use super::horizon::Turn;
use crate::domain::{Clock, Instant};
use crate::io::{PinError, PinEvent};

impl Gate {
    pub(super) fn pin(&mut self, event: PinEvent) -> Result<(), PinError> {
        let meant = match event {
            PinEvent::Level(edge) => self.readers.level(edge),
            PinEvent::Edge(edge) => self.readers.edge(edge),
            PinEvent::Lost { lines, after } => {
                self.parts.shared.health().card.overruns += 1;
                let spoilt: Vec<_> = self.readers.lost(&lines, after).collect();
                return spoilt.into_iter().try_for_each(|meaning| self.understand(meaning));
            }
            PinEvent::Until(until) => {
                let now = self.parts.clock.now();
                if self.horizon.reached(until, now) {
                    tracing::info!("the pins' thread is back");
                    self.pins_are("up", now);
                }
                return Ok(());
            }
            // Nobody is left to watch readers, contacts and the fire alarm: the service manager starts the
            // gate again, with outputs safe in between.
            PinEvent::Failed(why) => return Err(PinError::Gone(why)),
        };
        meant.map_or(Ok(()), |meaning| self.understand(meaning))
    }

    /// When [`ask_pins`](Self::ask_pins) has something to do.
    pub(super) fn pins_deadline(&self) -> Instant {
        self.horizon.wake(self.readers.frame_deadline())
    }

    pub(super) fn ask_pins(&mut self, now: Instant) -> Result<(), PinError> {
        let turn = self.horizon.turn(self.readers.frame_deadline(), now);
        if turn == Turn::Wait {
            return Ok(());
        }
        self.parts.outputs.ask();
        if turn == Turn::Stalled {
            tracing::error!("the pins' thread doesn't answer: no reader or contact is heard");
            self.pins_are("stalled", now);
            let sight = self.horizon.sight(now);
            let spoilt: Vec<_> = self.readers.poison(sight).collect();
            return spoilt.into_iter().try_for_each(|meaning| self.understand(meaning));
        }
        Ok(())
    }

    fn pins_are(&mut self, how: &'static str, now: Instant) {
        self.parts.shared.health().card.pins = how;
        self.health_due = now;
    }
}
