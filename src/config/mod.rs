//! The configuration file: a mirror of the TOML (`raw`), checked into a `Config` with every mistake
//! reported at once. Never opens a device.
