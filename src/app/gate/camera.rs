//! The camera's part of the loop: its light, its view as alarms, the line that says somebody is there.

use super::Gate;
use crate::access::Input;
use crate::domain::{Alarm, View};
use crate::io::PinError;
use std::sync::PoisonError;

impl Gate {
    /// Lights the indicator while faces are looked for, so that people see that the camera looks.
    pub(super) fn camera_looks(&mut self, watching: bool) -> Result<(), PinError> {
        let indicator = self.parts.config.face.as_ref().and_then(|face| face.camera.indicator);
        indicator.map_or(Ok(()), |line| self.parts.outputs.set(line.line, line.level(watching)))
    }

    /// One alarm for each way in which a camera can be kept from seeing; at most one is active.
    pub(super) fn camera_sees(&mut self, view: View) -> Result<(), PinError> {
        let wanted = self.parts.config.face.as_ref().is_some_and(|face| face.camera.view_alarm);
        [
            (Alarm::CameraCovered, View::Covered),
            (Alarm::CameraBlinded, View::Blinded),
            (Alarm::CameraMoved, View::Moved),
        ]
        .into_iter()
        .try_for_each(|(alarm, this)| self.face_alarm(alarm, wanted && view == this))
    }

    /// An alarm of the camera's door, for the core to repeat until somebody has seen it.
    pub(super) fn face_alarm(&mut self, alarm: Alarm, active: bool) -> Result<(), PinError> {
        let Some(face) = &self.parts.config.face else { return Ok(()) };
        let door = Some(face.door);
        self.decide(Input::Alarm { door, reader: None, alarm, active })
    }

    /// The presence detector's or the button's line changed.
    pub(super) fn camera_line(&self, active: bool) {
        let face = self.parts.face.lock().unwrap_or_else(PoisonError::into_inner);
        if face.as_ref().is_some_and(|supervisor| supervisor.line(active).is_err()) {
            tracing::warn!("the face path is too busy for its trigger");
        }
    }
}
