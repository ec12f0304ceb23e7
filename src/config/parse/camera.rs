//! `[camera]`: where frames come from and when they are looked at.

use super::lines::{self, ActiveAt, Lines};
use crate::config::camera::{Camera, Part, Rpicam, Source, V4l2};
use crate::config::raw::Section;
use crate::domain::{Duration, Imaging, Lighting, Rotation, Spectrum, Trigger, Watch};

/// The image processor of a Raspberry Pi 4 pads each line of a YUV420 frame to this, and the one of a Pi 5
/// does too; `rpicam-vid` writes the padding out.
const RPICAM_STRIDE: u64 = 64;
/// Fewer frames and a stall could not be told from the camera's own pace; more than the worker takes.
const FRAMERATE: std::ops::RangeInclusive<u64> = 2..=60;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rpicam,
    V4l2,
    Command,
}

pub(super) fn camera(s: Section<'_>, lines: &mut Lines) -> Option<Camera> {
    s.missing_unless_wrong("kind", "\"rpicam\"");
    let kinds = &[
        ("rpicam", Some(Kind::Rpicam)),
        ("v4l2", Some(Kind::V4l2)),
        ("command", Some(Kind::Command)),
    ];
    let kind = s.choice("kind", kinds, None);
    let side = |key, default| {
        let side = s.whole(key, 64..=4_096);
        if let Some(side) = side.as_ref().filter(|side| side.value % 2 != 0) {
            s.note(side.span.clone(), key, "must be even: YUV420 halves it");
        }
        side.map_or(default, |side| side.value)
    };
    let (width, height) = (side("width", 640), side("height", 480));
    if kind == Some(Kind::Rpicam) && width % RPICAM_STRIDE != 0 {
        let what = format!(
            "must be a multiple of {RPICAM_STRIDE}: a Raspberry Pi's image processor pads each line to that"
        );
        s.note_key("width", what);
    }
    let framerate = s.whole_or("framerate", FRAMERATE, 10);
    let rotation = rotation(&s);
    // The camera itself, or ffmpeg, turns a picture upside down for nothing; on its side none of them can.
    let upside_down = kind != Some(Kind::Command) && rotation == Rotation::Half;
    let source = kind.and_then(|kind| match kind {
        Kind::Rpicam => Some(Source::Rpicam(rpicam(&s, framerate, upside_down))),
        Kind::V4l2 => v4l2(&s, upside_down).map(Source::V4l2),
        Kind::Command => command(&s).map(Source::Command),
    });
    let (trigger, line, hold) = trigger(&s, lines);
    let indicator =
        lines::output(&s, "indicator", "camera.indicator".into(), ActiveAt::High, lines);
    let light = &[("ambient", Lighting::Ambient), ("lamp", Lighting::Lamp)];
    let spectrum = &[("visible", Spectrum::Visible), ("infrared", Spectrum::Infrared)];
    let imaging = Imaging {
        spectrum: s.choice("spectrum", spectrum, Spectrum::Visible),
        lighting: s.choice("light", light, Lighting::Ambient),
        rotation: if upside_down { Rotation::None } else { rotation },
    };
    let view_alarm = s.flag_or("view_alarm", true);
    // Without a kind nobody can say which options there are.
    if kind.is_some() {
        s.finish();
    }
    Some(Camera {
        source: source?,
        width: width as u32,
        height: height as u32,
        framerate: framerate as u32,
        watch: Watch { trigger, hold, imaging },
        line,
        indicator,
        view_alarm,
    })
}

fn rpicam(s: &Section<'_>, framerate: u64, upside_down: bool) -> Rpicam {
    let number = s.whole_or("number", 0..=7, 0) as u8;
    let shutter_us = s.whole("shutter_us", 10..=500_000);
    if let Some(shutter) = shutter_us.as_ref().filter(|s| s.value * framerate > 1_000_000) {
        let what = format!("is longer than a frame at {framerate} a second: shorten it");
        s.note(shutter.span.clone(), "shutter_us", what);
    }
    Rpicam {
        number,
        shutter_us: shutter_us.map(|item| item.value as u32),
        gain: s.number("gain", 1.0..=64.0).map(|item| item.value),
        part: Part { roi: roi(s), upside_down },
    }
}

fn v4l2(s: &Section<'_>, upside_down: bool) -> Option<V4l2> {
    let device = s.text("device");
    if let Some(device) = &device
        && !is_device(&device.value)
    {
        let what = "must be a path below /dev, best the one that stays: /dev/v4l/by-id/...";
        s.note(device.span.clone(), "device", what);
        return None;
    }
    let formats = &[("mjpeg", Some("mjpeg")), ("yuyv422", Some("yuyv422")), ("any", None)];
    Some(V4l2 {
        device: device.map_or("/dev/video0".into(), |item| item.value),
        format: s.choice("format", formats, None).map(str::to_owned),
        part: Part { roi: roi(s), upside_down },
    })
}

fn is_device(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|rest| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/+,".contains(c);
        !rest.is_empty() && rest.chars().all(plain) && rest.split('/').all(|part| part != "..")
    })
}

fn command(s: &Section<'_>) -> Option<Vec<String>> {
    let list = s.texts("command");
    match &list {
        None => s.missing_unless_wrong("command", "[\"/usr/local/bin/frames\", \"640\", \"480\"]"),
        Some(list) if list.value.first().is_none_or(|program| program.value.is_empty()) => {
            s.note(list.span.clone(), "command", "name the program that writes the frames");
            return None;
        }
        Some(_) => {}
    }
    Some(list?.value.into_iter().map(|item| item.value).collect())
}

fn roi(s: &Section<'_>) -> Option<[f64; 4]> {
    let roi = s.wholes::<4>("roi", 0..=100);
    if let Some(roi) = &roi {
        let [left, top, width, height] = roi.value;
        if width < 5 || height < 5 || left + width > 100 || top + height > 100 {
            let what = "is left, top, width and height in percent of the picture, and ends inside it: \
                        [25, 0, 50, 100]";
            s.note(roi.span.clone(), "roi", what);
        }
    }
    roi.map(|item| item.value.map(|percent| percent as f64 / 100.0))
}

fn rotation(s: &Section<'_>) -> Rotation {
    let Some(rotation) = s.whole("rotation", 0..=270) else { return Rotation::None };
    match rotation.value {
        0 => Rotation::None,
        90 => Rotation::Quarter,
        180 => Rotation::Half,
        270 => Rotation::ThreeQuarters,
        _ => {
            let what = "must be 0, 90, 180 or 270: how far clockwise the picture has to be turned for people \
                        to stand upright";
            s.note(rotation.span.clone(), "rotation", what);
            Rotation::None
        }
    }
}

fn trigger(
    s: &Section<'_>,
    lines: &mut Lines,
) -> (Trigger, Option<crate::config::Input>, Duration) {
    let words =
        &[("presence", Trigger::Motion), ("button", Trigger::Button), ("always", Trigger::Always)];
    let trigger = s.choice("trigger", words, Trigger::Motion);
    // A detector opens its contact on presence, and when its cable is cut: then it is looked.
    let presence = lines::input(s, "presence", "camera.presence".into(), ActiveAt::High, lines);
    let button = lines::input(s, "button", "camera.button".into(), ActiveAt::Low, lines);
    let default = if trigger == Trigger::Button { 10_000 } else { Watch::HOLD.as_millis() };
    let hold = Duration::from_millis(s.whole_or("look_ms", 2_000..=60_000, default));
    let only = |key, what| s.note_key(key, format!("is for trigger = \"{what}\": take one away"));
    let (trigger, line) = match trigger {
        Trigger::Motion if presence.is_some() => (Trigger::Presence, presence),
        Trigger::Button => {
            s.missing_unless_wrong("button", "13");
            (Trigger::Button, button)
        }
        other => (other, None),
    };
    if presence.is_some() && trigger != Trigger::Presence {
        only("presence", "presence");
    }
    if button.is_some() && trigger != Trigger::Button {
        only("button", "button");
    }
    (trigger, line, hold)
}
