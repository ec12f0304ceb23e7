//! `[camera]`: what is taken, and what is refused with what remedy.

use super::tests::{EXAMPLE, mistakes, one};
use super::*;
use crate::config::{Camera, Part, Rpicam, Source};
use crate::domain::{Duration, Imaging, Lighting, Rotation, Spectrum, Trigger};

/// The example with another `[camera]`, which comes last.
fn with(camera: &str) -> String {
    let (before, _) = EXAMPLE.split_once("[camera]").unwrap_or_default();
    format!("{before}[camera]\n{camera}\n")
}

#[track_caller]
fn camera(text: &str) -> Camera {
    let config = parse(&with(text), Path::new("/etc/eithergate"));
    let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
    config.face.map(|face| face.camera).unwrap_or_else(|| panic!("no camera"))
}

#[test]
fn the_example_s_camera_looks_while_something_moves() {
    let config = parse(EXAMPLE, Path::new("/")).unwrap_or_else(|m| panic!("{m:#?}"));
    let camera = config.face.map(|face| face.camera).unwrap_or_else(|| panic!("no camera"));
    let plain = Rpicam { number: 0, shutter_us: None, gain: None, part: Part::default() };
    assert_eq!(camera.source, Source::Rpicam(plain));
    assert_eq!((camera.width, camera.height, camera.framerate), (640, 480, 10));
    assert_eq!(camera.watch.trigger, Trigger::Motion);
    assert_eq!((camera.line, camera.indicator, camera.view_alarm), (None, None, true));
}

#[test]
fn all_there_is_to_say_about_a_csi_camera() {
    let camera = camera(
        "kind = \"rpicam\"\nwidth = 1_280\nheight = 720\nframerate = 30\nnumber = 1\nshutter_us = 10000\n\
         gain = 2\nroi = [25, 0, 50, 100]\nrotation = 180\ntrigger = \"button\"\nbutton = 13\nlook_ms = 5000\n\
         indicator = 19\nview_alarm = false\nspectrum = \"infrared\"\nlight = \"lamp\"",
    );
    let part = Part { roi: Some([0.25, 0.0, 0.5, 1.0]), upside_down: true };
    let all = Rpicam { number: 1, shutter_us: Some(10_000), gain: Some(2.0), part };
    assert_eq!(camera.source, Source::Rpicam(all));
    assert_eq!(camera.watch.trigger, Trigger::Button);
    assert_eq!(camera.watch.hold, Duration::from_secs(5));
    let rotation = Rotation::None;
    let imaging = Imaging { spectrum: Spectrum::Infrared, lighting: Lighting::Lamp, rotation };
    assert_eq!(camera.watch.imaging, imaging);
    assert!(camera.line.is_some_and(|i| i.state.line == 13 && !i.state.active_high));
    assert!(camera.indicator.is_some_and(|line| line.line == 19 && line.active_high));
    assert!(!camera.view_alarm);
}

#[test]
fn a_picture_is_turned_by_the_camera_where_it_can_and_by_the_worker_where_not() {
    let turned = |text: &str| {
        let camera = camera(text);
        let upside_down = match &camera.source {
            Source::Rpicam(Rpicam { part, .. }) => part.upside_down,
            Source::V4l2(v4l2) => v4l2.part.upside_down,
            Source::Command(_) => false,
        };
        (upside_down, camera.watch.imaging.rotation)
    };
    assert_eq!(turned("kind = \"rpicam\"\nrotation = 90"), (false, Rotation::Quarter));
    assert_eq!(turned("kind = \"v4l2\"\nrotation = 270"), (false, Rotation::ThreeQuarters));
    assert_eq!(turned("kind = \"v4l2\"\nrotation = 180"), (true, Rotation::None));
    let command = "kind = \"command\"\ncommand = [\"frames\"]\nrotation = 180";
    assert_eq!(turned(command), (false, Rotation::Half));
}

#[test]
fn a_presence_detector_takes_the_place_of_motion() {
    let camera = camera("kind = \"command\"\ncommand = [\"frames\"]\npresence = 13");
    assert_eq!(camera.watch.trigger, Trigger::Presence);
    assert!(camera.line.is_some_and(|i| i.state.active_high), "a cut cable looks");
}

#[test]
fn what_can_not_be_is_said_with_its_remedy() {
    for (text, end) in [
        (
            "kind = \"rpicam\"\nwidth = 600",
            "width: must be a multiple of 64: a Raspberry Pi's image processor pads each line to that",
        ),
        ("kind = \"rpicam\"\nheight = 481", "height: must be even: YUV420 halves it"),
        (
            "kind = \"rpicam\"\nframerate = 30\nshutter_us = 40000",
            "shutter_us: is longer than a frame at 30 a second: shorten it",
        ),
        ("kind = \"rpicam\"\nframerate = 1", "framerate: must be a whole number from 2 to 60"),
        ("kind = \"rpicam\"\ngain = 0.5", "gain: must be a number from 1 to 64"),
        ("kind = \"rpicam\"\ngain = nan", "gain: must be a number from 1 to 64"),
        ("kind = \"rpicam\"\nroi = [60, 0, 50, 100]", "ends inside it: [25, 0, 50, 100]"),
        (
            "kind = \"rpicam\"\nroi = [0, 0, 1]",
            "roi: must be a list of 4 whole numbers from 0 to 100",
        ),
        (
            "kind = \"rpicam\"\nroi = [0, 0, 50, 101]",
            "roi: must be a list of 4 whole numbers from 0 to 100",
        ),
        (
            "kind = \"v4l2\"\nrotation = 45",
            "rotation: must be 0, 90, 180 or 270: how far clockwise the picture has to be turned for people to stand upright",
        ),
        (
            "kind = \"v4l2\"\ndevice = \"/dev/../etc/passwd\"",
            "the one that stays: /dev/v4l/by-id/...",
        ),
        ("kind = \"v4l2\"\ndevice = \"http://camera\"", "the one that stays: /dev/v4l/by-id/..."),
        ("kind = \"command\"\ncommand = []", "command: name the program that writes the frames"),
        (
            "kind = \"command\"",
            "missing: add command = [\"/usr/local/bin/frames\", \"640\", \"480\"]",
        ),
        ("kind = \"usb\"", "kind: must be \"rpicam\" or \"v4l2\" or \"command\""),
        ("width = 640", "missing: add kind = \"rpicam\""),
        ("kind = \"rpicam\"\ntrigger = \"button\"", "button: missing: add button = 13"),
        ("kind = \"rpicam\"\nbutton = 13", "button: is for trigger = \"button\": take one away"),
        (
            "kind = \"rpicam\"\ntrigger = \"always\"\npresence = 13",
            "presence: is for trigger = \"presence\": take one away",
        ),
        (
            "kind = \"rpicam\"\npresence = 17",
            "camera.presence: line 17 belongs to door main's relay already: give each its own",
        ),
        ("kind = \"rpicam\"\nlook_ms = 0", "look_ms: must be a whole number from 2000 to 60000"),
    ] {
        one(mistakes(&with(text)), end);
    }
    // An option of another kind is none here.
    let found = mistakes(&with("kind = \"v4l2\"\nshutter_us = 100"));
    assert!(
        found.len() == 1 && found[0].contains("shutter_us: is not an option here"),
        "{found:?}"
    );
}

#[test]
fn a_camera_and_faces_go_together() {
    let (before, camera) = EXAMPLE.split_once("[camera]").unwrap_or_default();
    one(mistakes(before), "faces need a camera: add [camera]");
    let (before, _) = EXAMPLE.split_once("[face]").unwrap_or_default();
    one(mistakes(&format!("{before}[camera]{camera}")), "add [face], or take this section out");
}
