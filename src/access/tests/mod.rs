//! Timelines an installer can read: at a time, this happened, the gate did that.

mod alarms;
mod doors;
mod line_tests;
mod modes;
mod options;
mod passages;
mod people;
mod rights;
mod safety;
mod stage_tests;
mod ways;
