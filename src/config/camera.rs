//! The camera as configured: where its frames come from, when it is looked through, and what it shows of
//! that.

use super::{Input, Output};
use crate::domain::Watch;

/// A program that writes raw YUV420 frames, and what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    pub source: Source,
    /// Frame size in pixels, both even.
    pub width: u32,
    pub height: u32,
    /// Frames a second; what a [`Source::Command`] does is its own business.
    pub framerate: u32,
    pub watch: Watch,
    /// The presence detector's or the button's line, as the trigger has it.
    pub line: Option<Input>,
    /// Lit while faces are looked for.
    pub indicator: Option<Output>,
    /// Whether a covered, blinded or moved camera is an alarm.
    pub view_alarm: bool,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A camera on a Raspberry Pi's CSI connector, by `rpicam-vid`.
    Rpicam(Rpicam),
    /// A USB camera or frame grabber, by `ffmpeg`.
    V4l2(V4l2),
    /// Any program and its arguments.
    Command(Vec<String>),
}

/// What `rpicam-vid` is told; what is `None` it decides by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Rpicam {
    /// As `rpicam-vid --list-cameras` counts them.
    pub number: u8,
    pub shutter_us: Option<u32>,
    pub gain: Option<f64>,
    pub part: Part,
}

/// What `ffmpeg` is told.
#[derive(Clone, Debug, PartialEq)]
pub struct V4l2 {
    /// A path below `/dev`.
    pub device: String,
    /// What the camera shall send: `mjpeg`, `yuyv422`; `None` for what it likes best.
    pub format: Option<String>,
    pub part: Part,
}

/// Which part of the picture is taken, and which way up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Left, top, width and height as shares of the whole.
    pub roi: Option<[f64; 4]>,
    pub upside_down: bool,
}
