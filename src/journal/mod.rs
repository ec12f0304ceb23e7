//! Sequence numbers, capacity, loss records, acknowledge-through. Never a disk or a broker.
