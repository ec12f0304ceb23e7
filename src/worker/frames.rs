//! `eithergate-face frames`: a folder of pictures, played as a camera would.

use super::pictures::{PictureError, read_picture};
use crate::failure::Failure;
use crate::vision::{BadPicture, Picture};
use crate::wire::worker::frame_len;
use clap::Args as ClapArgs;
use image::{DynamicImage, GenericImage, RgbImage};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Play the pictures of a folder as a camera would
///
/// Writes raw YUV420 (I420, BT.601, limited range) to standard output: each JPEG or PNG in the order of
/// names, fitted into the frame with black borders, held for a while. This is what a gate's configuration
/// expects of any camera program:
///
///   [camera]
///   kind = "command"
///   command = ["eithergate-face", "frames", "/srv/pictures", "--loop"]
#[derive(ClapArgs)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A folder of .jpg, .jpeg and .png files
    dir: PathBuf,
    /// Frame width in pixels, even
    #[arg(long, default_value_t = 640)]
    width: u32,
    /// Frame height in pixels, even
    #[arg(long, default_value_t = 480)]
    height: u32,
    /// Frames a second
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// Begin again after the last picture instead of ending
    #[arg(long = "loop")]
    again: bool,
    /// How long each picture is held
    #[arg(long, default_value_t = 2_000)]
    hold_ms: u64,
    /// How long nobody is shown after each picture, as when a person has left
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
    /// Where there is no picture, show a yard instead of black, as a gate's camera sees one
    #[arg(long)]
    yard: bool,
    /// Show the picture that is in the folder right now, and nobody while there is none, without end
    #[arg(long, conflicts_with_all = ["again", "hold_ms", "gap_ms"])]
    live: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (width, height) = (args.width, args.height);
    if frame_len(width, height).is_none() {
        return Err(Failure::Usage(format!(
            "a frame of {width}x{height} is not possible; both sides must be even and at most 4096"
        )));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "standard output is a terminal; pipe it to what looks at the frames".to_owned(),
        ));
    }
    // Not through `Stdout`, which looks for line ends in what has none.
    let out = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let out = out.map_err(|e| Failure::Unavailable(format!("no standard output: {e}")))?;
    let backdrop = if args.yard { yard(width, height) } else { RgbImage::new(width, height) };
    let empty = to_i420(backdrop.clone())
        .map_err(|e| Failure::Usage(format!("a frame of {width}x{height}: {e}")))?;
    if args.live {
        return play_live(args, out, &backdrop, &empty);
    }
    let files = pictures(&args.dir)?;
    let again = args.again;
    // Decoded ahead, one picture, because a large one takes longer than a frame.
    let (sender, decoded) = sync_channel(1);
    thread::spawn(move || decode_all(&files, again, &backdrop, &sender));
    play(args, out, &empty, &decoded)
}

fn pictures(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed =
        |e: io::Error| Failure::NoInput(format!("can't read the folder {}: {e}", dir.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png")) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::NoInput(format!(
            "{} has no .jpg, .jpeg or .png file to play",
            dir.display()
        )));
    }
    files.sort();
    Ok(files)
}

/// A wall, a path and the bars of a gate, by daylight.
fn yard(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (x * 1_000 / width, y * 1_000 / height);
        let brick = (across / 60 * 37 + down / 45 * 61) % 40;
        let shade = match (across, down) {
            (_, 0..150) => 200,
            (300..700, 150..750) if across % 80 < 14 => 40,
            (300..700, 150..750) => 150,
            (_, 150..750) => 90 + brick,
            (250..750, _) => 130 + brick / 2,
            _ => 60 + brick,
        };
        image::Rgb([shade as u8, (shade + 6) as u8, shade as u8])
    })
}

fn to_i420(frame: RgbImage) -> Result<Vec<u8>, BadPicture> {
    let (width, height) = frame.dimensions();
    Ok(Picture::from_rgb(width, height, frame.into_raw())?.to_i420())
}

fn decode_all(
    files: &[PathBuf],
    again: bool,
    backdrop: &RgbImage,
    sender: &SyncSender<Result<Vec<u8>, Failure>>,
) {
    loop {
        for file in files {
            let frame = decode(file, backdrop);
            let bad = frame.is_err();
            if sender.send(frame).is_err() || bad {
                return;
            }
        }
        if !again {
            return;
        }
    }
}

/// A picture as one I420 frame: upright, fitted, centred on the backdrop.
fn decode(file: &Path, backdrop: &RgbImage) -> Result<Vec<u8>, Failure> {
    let (width, height) = backdrop.dimensions();
    let picture = read_picture(file).map_err(PictureError::from)?;
    let (full_width, full_height) = (picture.width(), picture.height());
    let bad = |e: &dyn std::fmt::Display| Failure::Data(format!("{}: {e}", file.display()));
    let picture = RgbImage::from_raw(full_width, full_height, picture.rgb().to_vec())
        .map(DynamicImage::from)
        .ok_or_else(|| bad(&"has another size than it says"))?;
    let fitted = picture.resize(width, height, image::imageops::FilterType::Triangle).into_rgb8();
    let mut frame = backdrop.clone();
    let (x, y) = ((width - fitted.width()) / 2, (height - fitted.height()) / 2);
    frame.copy_from(&fitted, x, y).map_err(|e| bad(&e))?;
    to_i420(frame).map_err(|e| bad(&e))
}

fn play(
    args: &Args,
    mut out: impl Write,
    empty: &[u8],
    decoded: &Receiver<Result<Vec<u8>, Failure>>,
) -> Result<(), Failure> {
    let mut pace = Pace::new(args.fps);
    for frame in decoded {
        let frame = frame?;
        for (frame, ms) in [(frame.as_slice(), args.hold_ms), (empty, args.gap_ms)] {
            for _ in 0..frames_in(ms, args.fps) {
                match out.write_all(frame) {
                    Ok(()) => pace.wait(),
                    // Nobody looks any more.
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    Err(e) => {
                        return Err(Failure::Unavailable(format!("can't write frames: {e}")));
                    }
                }
            }
        }
    }
    Ok(())
}

/// A stage: whoever puts a picture into the folder stands before the camera, until it is taken away.
fn play_live(
    args: &Args,
    mut out: impl Write,
    backdrop: &RgbImage,
    empty: &[u8],
) -> Result<(), Failure> {
    let mut pace = Pace::new(args.fps);
    let mut shown: Option<(PathBuf, SystemTime, Vec<u8>)> = None;
    loop {
        let file = pictures(&args.dir).ok().and_then(|files| files.into_iter().next());
        let changed = file.and_then(|file| {
            let when = fs::metadata(&file).and_then(|about| about.modified()).ok()?;
            Some((file, when))
        });
        match (changed, &shown) {
            (Some((file, when)), Some((now, since, _))) if file == *now && when == *since => {}
            (Some((file, when)), _) => {
                let frame = decode(&file, backdrop)?;
                shown = Some((file, when, frame));
            }
            (None, _) => shown = None,
        }
        match out.write_all(shown.as_ref().map_or(empty, |(_, _, frame)| frame)) {
            Ok(()) => pace.wait(),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(Failure::Unavailable(format!("can't write frames: {e}"))),
        }
    }
}

/// Frames that fill a time; at least one if there is any time to fill.
fn frames_in(ms: u64, fps: u32) -> u64 {
    ms.saturating_mul(fps.into()).div_ceil(1000)
}

struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    fn new(fps: u32) -> Self {
        Self { next: Instant::now(), step: Duration::from_secs(1) / fps.max(1) }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        // Held up by a slow reader: go on from here rather than hurry after.
        self.next = (self.next + self.step).max(now);
        thread::sleep(self.next - now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(frame: &[u8], width: usize, x: usize, y: usize) -> u8 {
        frame[y * width + x]
    }

    #[test]
    fn a_picture_is_fitted_between_black_borders() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("white.png");
        RgbImage::from_pixel(30, 60, image::Rgb([255; 3])).save(&file).unwrap();
        let frame = decode(&file, &RgbImage::new(64, 48)).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(frame.len(), frame_len(64, 48).unwrap());
        assert_eq!(luma(&frame, 64, 2, 24), 16, "black border");
        assert_eq!(luma(&frame, 64, 61, 24), 16, "black border");
        assert_eq!(luma(&frame, 64, 32, 1), 235, "white to the top");
        assert_eq!(luma(&frame, 64, 32, 46), 235, "white to the bottom");
    }

    #[test]
    fn folders_and_files_that_cannot_be_played_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(pictures(dir.path()), Err(Failure::NoInput(_))));
        assert!(matches!(pictures(&dir.path().join("no")), Err(Failure::NoInput(_))));
        for name in ["b.JPG", "a.png", "notes.txt"] {
            fs::write(dir.path().join(name), "no picture").unwrap();
        }
        let files = pictures(dir.path()).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(files, [dir.path().join("a.png"), dir.path().join("b.JPG")]);
        let Err(Failure::Data(why)) = decode(&files[0], &RgbImage::new(64, 48)) else {
            panic!("decoded")
        };
        assert!(why.contains("a.png"), "{why}");
    }

    #[test]
    fn times_become_frames() {
        assert_eq!(frames_in(0, 10), 0);
        assert_eq!(frames_in(1, 10), 1);
        assert_eq!(frames_in(2_000, 15), 30);
        assert_eq!(frames_in(u64::MAX, 240), u64::MAX / 1000 + 1);
    }
}
