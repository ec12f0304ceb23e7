//! What can be said about a line of a GPIO chip; which one and who uses it is configuration.

/// What holds a line when nothing else drives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias {
    /// However the line is set already.
    AsIs,
    /// Nothing: there is a resistor outside.
    Off,
    /// The chip's own resistor to its supply, some 50 kOhm on a Raspberry Pi.
    #[default]
    PullUp,
    PullDown,
}
