//! What can be said about a gate's camera: when it is looked through, what light it sees by, and whether
//! it still sees what it was put up to see.

use super::Duration;
use serde::{Deserialize, Serialize};

/// When faces are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// In every frame.
    #[default]
    Always,
    /// While something moves before the camera, and while somebody stands there.
    Motion,
    /// While a presence detector's line is active, and while somebody stands there.
    Presence,
    /// For a while after a button was pressed.
    Button,
}

/// The light a sensor sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spectrum {
    #[default]
    Visible,
    /// Near infrared: its colours mean nothing.
    Infrared,
}

/// Where that light comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lighting {
    /// Daylight, street lamps: whatever there is.
    #[default]
    Ambient,
    /// A lamp of the gate's own, always on.
    Lamp,
}

/// How far clockwise a frame has to be turned for people to stand upright in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Rotation {
    /// The size of a frame once it is turned.
    pub fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self {
            Self::None | Self::Half => (width, height),
            Self::Quarter | Self::ThreeQuarters => (height, width),
        }
    }
}

/// How a frame was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imaging {
    pub spectrum: Spectrum,
    pub lighting: Lighting,
    pub rotation: Rotation,
}

/// What is asked of whoever looks through the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    pub trigger: Trigger,
    /// How long it is looked after the last reason to.
    pub hold: Duration,
    pub imaging: Imaging,
}

impl Watch {
    /// Long enough for somebody who stops to think, short enough not to film an empty gate.
    pub const HOLD: Duration = Duration::from_secs(3);
}

impl Default for Watch {
    fn default() -> Self {
        Self { trigger: Trigger::Always, hold: Self::HOLD, imaging: Imaging::default() }
    }
}

/// Whether the camera sees its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    Clear,
    /// Nothing but a flat field: something is on the lens, or it is dark all at once.
    Covered,
    /// A light shines into it.
    Blinded,
    /// It sees something else than it has learned to expect.
    Moved,
}
