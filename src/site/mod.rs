//! The property office: cards, subjects, gates, and publishing signed allowlists. Runs in the office, never at a gate.
