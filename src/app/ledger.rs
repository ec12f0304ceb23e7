//! What the core wants recorded and remembered, on its way to the disk: numbers, what is dropped for want of
//! room, and the records that tell of it. The loop's and the simulator's; which disk that is, it is not told.

use crate::access::{Fact, Ticket};
use crate::domain::{Event, EventKind};
use crate::io::store::Writer;
use crate::journal::{Journal, Loss};

/// Where it goes.
pub(crate) trait Sink {
    /// Whether another event is taken.
    fn has_room(&self) -> bool;
    /// `false` if there was no room after all.
    fn append(&mut self, seq: u64, bytes: Vec<u8>, drop_through: Option<u64>) -> bool;
    fn keep(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64>);
}

impl Sink for Writer {
    fn has_room(&self) -> bool {
        Writer::has_room(self)
    }

    fn append(&mut self, seq: u64, bytes: Vec<u8>, drop_through: Option<u64>) -> bool {
        Writer::append(self, seq, bytes, drop_through)
    }

    fn keep(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64>) {
        Writer::keep(self, key, value, ticket);
    }
}

/// The journal, and what of it never got a number.
pub(crate) struct Ledger {
    pub journal: Journal,
    /// Events there was no room for, not yet told of.
    unnumbered: u64,
    lost: u64,
}

impl Ledger {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, unnumbered: 0, lost: 0 }
    }

    /// How many events were lost since the start, told of or not.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Numbers an event and queues it for the disk, after what was lost before it.
    pub(crate) fn record(&mut self, sink: &mut impl Sink, event: &Event) {
        self.tell_losses(sink, false, |what| Event { what, ..event.clone() });
        self.write(sink, event);
    }

    /// Records losses, if there were any and there is room. `draining`: the broker is taking events again.
    pub(crate) fn tell_losses(
        &mut self,
        sink: &mut impl Sink,
        draining: bool,
        stamped: impl Fn(EventKind) -> Event,
    ) {
        if self.unnumbered > 0 && sink.has_room() {
            let count = std::mem::take(&mut self.unnumbered);
            self.write(sink, &stamped(EventKind::EventsLost { count, through_seq: 0 }));
        }
        if !sink.has_room() {
            return;
        }
        if let Some(Loss { count, through_seq }) = self.journal.take_loss(draining) {
            self.lost += count;
            self.write(sink, &stamped(EventKind::EventsLost { count, through_seq }));
        }
    }

    /// An event gets its number only once it is sure to be kept: a number that is given and never written
    /// would be a gap.
    fn write(&mut self, sink: &mut impl Sink, event: &Event) {
        let bytes = sink.has_room().then(|| serde_json::to_vec(event).ok()).flatten();
        let taken = bytes.is_some_and(|bytes| {
            let appended = self.journal.append();
            sink.append(appended.seq, bytes, appended.drop_through)
        });
        if !taken {
            if self.unnumbered == 0 {
                tracing::error!("no room for events while the disk takes none: they are lost");
            }
            self.unnumbered += 1;
            self.lost += 1;
        }
    }

    /// Queues a fact; with a ticket the core hears when it is on disk.
    pub(crate) fn keep(&self, sink: &mut impl Sink, fact: &Fact, ticket: Option<Ticket>) {
        let value = if fact.is_over() { None } else { serde_json::to_vec(fact).ok() };
        match serde_json::to_vec(&fact.key()) {
            Ok(key) => sink.keep(key, value, ticket.map(|Ticket(number)| number)),
            Err(error) => tracing::error!(%error, "a fact can't be written down"),
        }
    }
}
