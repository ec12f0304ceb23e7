//! The gate state machine: door, presentations, timers. Inputs and `now` in, commands out; no clock, pin, disk or
//! socket inside, and nothing that names a person in a log field.
