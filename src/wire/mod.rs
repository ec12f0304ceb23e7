//! Bytes to meaning and back: Wiegand edges, card formats, serial framings, MQTT payloads, the worker protocol.
//! No executor, no pins, no clock.
