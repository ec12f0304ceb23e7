//! The signed allowlist: what an envelope must hold to be applied, and lookup. No disk, no MQTT.
