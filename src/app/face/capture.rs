//! From the configured camera to the command line of the program that writes its frames. No shell is in
//! between: each text here is one argument.

use crate::config::{Camera, Part, Rpicam, Source, V4l2};

/// The program and its arguments.
pub fn command_line(camera: &Camera) -> Vec<String> {
    match &camera.source {
        Source::Rpicam(rpicam) => rpicam_vid(camera, rpicam),
        Source::V4l2(v4l2) => ffmpeg(camera, v4l2),
        Source::Command(command) => command.clone(),
    }
}

/// As `rpicam-vid --help` of Raspberry Pi OS has it. What isn't set is left to the program: exposure and gain
/// are its own, by what it sees.
fn rpicam_vid(camera: &Camera, rpicam: &Rpicam) -> Vec<String> {
    let mut line = Line::new("rpicam-vid");
    line.with("--camera", rpicam.number);
    line.with("--codec", "yuv420");
    line.with("--width", camera.width).with("--height", camera.height);
    line.with("--framerate", camera.framerate);
    if let Some(shutter) = rpicam.shutter_us {
        line.with("--shutter", shutter);
    }
    if let Some(gain) = rpicam.gain {
        line.with("--gain", gain);
    }
    if let Some([left, top, width, height]) = rpicam.part.roi {
        line.with("--roi", format!("{left},{top},{width},{height}"));
    }
    if rpicam.part.upside_down {
        line.with("--rotation", 180);
    }
    // Without an end, without a window, each frame out as soon as it is there.
    line.flag("--nopreview").with("--timeout", 0).flag("--flush").with("--output", "-");
    line.0
}

/// `ffmpeg` because it converts: webcams send YUYV or JPEG, and `v4l2-ctl` would pass on just that.
fn ffmpeg(camera: &Camera, v4l2: &V4l2) -> Vec<String> {
    let mut line = Line::new("ffmpeg");
    line.flag("-nostdin").flag("-hide_banner").with("-loglevel", "warning");
    // No second of probing, no queue before the first frame.
    line.with("-fflags", "nobuffer").with("-probesize", 32).with("-analyzeduration", 0);
    line.with("-f", "v4l2");
    if let Some(format) = &v4l2.format {
        line.with("-input_format", format);
    }
    line.with("-framerate", camera.framerate);
    line.with("-video_size", format!("{}x{}", camera.width, camera.height));
    line.with("-i", &v4l2.device).flag("-an");
    if let Some(filter) = filter(camera, v4l2.part) {
        line.with("-vf", filter);
    }
    line.with("-pix_fmt", "yuv420p").with("-f", "rawvideo");
    line.with("-flush_packets", 1).flag("pipe:1");
    line.0
}

fn filter(camera: &Camera, part: Part) -> Option<String> {
    let crop = part.roi.map(|[left, top, width, height]| {
        let size = format!("{}:{}", camera.width, camera.height);
        format!("crop=iw*{width}:ih*{height}:iw*{left}:ih*{top},scale={size}")
    });
    let turn = part.upside_down.then(|| "hflip,vflip".to_owned());
    let both: Vec<_> = [crop, turn].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(","))
}

struct Line(Vec<String>);

impl Line {
    fn new(program: &str) -> Self {
        Self(vec![program.to_owned()])
    }

    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.to_owned());
        self
    }

    fn with(&mut self, key: &str, value: impl ToString) -> &mut Self {
        self.0.extend([key.to_owned(), value.to_string()]);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Watch;

    fn camera(source: Source) -> Camera {
        Camera {
            source,
            width: 640,
            height: 480,
            framerate: 10,
            watch: Watch::default(),
            line: None,
            indicator: None,
            view_alarm: true,
        }
    }

    fn said(source: Source) -> String {
        command_line(&camera(source)).join(" ")
    }

    #[test]
    fn rpicam_vid_is_told_what_is_set_and_nothing_else() {
        let plain = Rpicam { number: 0, shutter_us: None, gain: None, part: Part::default() };
        assert_eq!(
            said(Source::Rpicam(plain)),
            "rpicam-vid --camera 0 --codec yuv420 --width 640 --height 480 --framerate 10 --nopreview \
             --timeout 0 --flush --output -"
        );
        let part = Part { roi: Some([0.25, 0.0, 0.5, 1.0]), upside_down: true };
        let all = Rpicam { number: 1, shutter_us: Some(10_000), gain: Some(2.5), part };
        assert_eq!(
            said(Source::Rpicam(all)),
            "rpicam-vid --camera 1 --codec yuv420 --width 640 --height 480 --framerate 10 --shutter 10000 \
             --gain 2.5 --roi 0.25,0,0.5,1 --rotation 180 --nopreview --timeout 0 --flush --output -"
        );
    }

    #[test]
    fn ffmpeg_converts_what_a_webcam_sends() {
        let v4l2 = |format: Option<&str>, part| {
            let format = format.map(str::to_owned);
            Source::V4l2(V4l2 { device: "/dev/video0".into(), format, part })
        };
        assert_eq!(
            said(v4l2(None, Part::default())),
            "ffmpeg -nostdin -hide_banner -loglevel warning -fflags nobuffer -probesize 32 -analyzeduration 0 \
             -f v4l2 -framerate 10 -video_size 640x480 -i /dev/video0 -an -pix_fmt yuv420p -f rawvideo \
             -flush_packets 1 pipe:1"
        );
        let part = Part { roi: Some([0.25, 0.0, 0.5, 1.0]), upside_down: true };
        let line = said(v4l2(Some("mjpeg"), part));
        assert!(line.contains("-f v4l2 -input_format mjpeg -framerate 10"), "{line}");
        assert!(
            line.contains("-vf crop=iw*0.5:ih*1:iw*0.25:ih*0,scale=640:480,hflip,vflip -pix_fmt"),
            "{line}"
        );
    }

    #[test]
    fn a_command_is_run_as_it_stands() {
        let command = vec!["/bin/camera".to_owned(), "a b".to_owned()];
        assert_eq!(command_line(&camera(Source::Command(command.clone()))), command);
    }
}
