//! Reading a picture file that anyone may have made: JPEG or PNG, bounded, turned upright.

use crate::vision::{MAX_PIXELS, MAX_SIDE, Picture};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

const MAX_FILE_BYTES: u64 = 64 << 20;
/// 64 megapixels of four 16-bit channels.
const MAX_DECODED_BYTES: u64 = 8 * MAX_PIXELS;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}: {why}", path.display())]
    Missing { path: PathBuf, why: std::io::Error },
    #[error("{}: {why}", path.display())]
    NoPicture { path: PathBuf, why: String },
}

/// Reads a JPEG or PNG file, turned as its EXIF orientation says. Refuses, by name, a file that is not
/// there, is too large, or is no such picture.
pub fn read_picture(path: &Path) -> Result<Picture, ReadError> {
    let missing = |why| ReadError::Missing { path: path.into(), why };
    let no_picture = |why: String| ReadError::NoPicture { path: path.into(), why };
    // A pipe or a device could keep us waiting for ever.
    if !std::fs::metadata(path).map_err(missing)?.is_file() {
        return Err(no_picture("is no regular file".into()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(missing)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(missing)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(no_picture(format!("is larger than {} MB", MAX_FILE_BYTES >> 20)));
    }
    decode(bytes).map_err(no_picture)
}

fn decode(bytes: Vec<u8>) -> Result<Picture, String> {
    let format = image::guess_format(&bytes).ok();
    let format = format
        .filter(|f| matches!(f, ImageFormat::Jpeg | ImageFormat::Png))
        .ok_or("is neither a JPEG nor a PNG picture")?;
    if format == ImageFormat::Jpeg && !reaches_its_end(&bytes) {
        return Err("is a JPEG picture cut short; get the whole file".into());
    }
    let said = |e: image::ImageError| format!("can't be read as a picture: {e}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(said)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("is {width} x {height} pixels; at most {MAX_PIXELS} in all are read"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(said)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    Picture::from_rgb(rgb.width(), rgb.height(), rgb.into_raw()).map_err(|e| e.to_string())
}

/// Whether a JPEG's segments lead to its end-of-image marker. The decoder fills what is missing with grey,
/// and half a face must not be measured as if it were one.
fn reaches_its_end(jpeg: &[u8]) -> bool {
    /// Start of image, end of image, start of scan (ITU-T T.81, table B.1).
    const SOI: usize = 2;
    const EOI: u8 = 0xd9;
    const SOS: u8 = 0xda;
    let mut at = SOI;
    loop {
        // A marker is 0xff, perhaps repeated, and a byte that is neither 0xff nor 0.
        let Some([0xff, code]) = jpeg.get(at..at + 2) else { return false };
        match *code {
            0xff => at += 1,
            EOI => return true,
            code => {
                let Some(length) = jpeg.get(at + 2..at + 4) else { return false };
                at += 2 + (usize::from(length[0]) << 8 | usize::from(length[1])).max(2);
                // Coded data follows, in which 0xff is followed by 0 or a restart marker.
                let in_data = |w: &[u8]| w[0] != 0xff || matches!(w[1], 0x00 | 0xd0..=0xd7);
                if code == SOS {
                    let data = jpeg.get(at..).unwrap_or_default();
                    at += data.windows(2).take_while(|w| in_data(w)).count();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    /// 64 x 32, red on the left half, blue on the right.
    fn encoded(format: ImageFormat) -> Vec<u8> {
        let colour = |x| if x < 32 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) };
        let picture = RgbImage::from_fn(64, 32, |x, _| colour(x));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap_or_else(|e| panic!("{e}"));
        bytes.into_inner()
    }

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes.to_vec()).err().unwrap_or_else(|| "nothing was refused".into())
    }

    #[test]
    fn jpeg_and_png_are_read() -> Result<(), String> {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let picture = decode(encoded(format))?;
            assert_eq!((picture.width(), picture.height()), (64, 32));
            assert!(picture.rgb()[0] > 200 && picture.rgb()[2] < 50);
        }
        Ok(())
    }

    /// A phone held upright: the picture lies on its side and EXIF says so.
    #[test]
    fn exif_orientation_is_honoured() -> Result<(), String> {
        let jpeg = encoded(ImageFormat::Jpeg);
        for (orientation, size, top_left_is_red) in [(6, (32, 64), true), (8, (32, 64), false)] {
            let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
            exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
            let mut turned = jpeg[..2].to_vec();
            turned.extend([0xff, 0xe1, 0, exif.len() as u8 + 2]);
            turned.extend(exif);
            turned.extend(&jpeg[2..]);
            let picture = decode(turned)?;
            assert_eq!((picture.width(), picture.height()), size);
            assert_eq!(picture.rgb()[0] > 200, top_left_is_red);
        }
        Ok(())
    }

    #[test]
    fn truncated_pictures_are_refused_wherever_they_end() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(format);
            for end in 0..whole.len() - 12 {
                let why = refusal(&whole[..end]);
                assert!(
                    why.contains("picture"),
                    "{format:?} cut at {end} of {}: {why}",
                    whole.len()
                );
            }
        }
    }

    #[test]
    fn damaged_pictures_end_in_an_error_or_a_picture_never_a_panic() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(format);
            for at in 0..whole.len() {
                for flip in [0xff, 0x01, 0x80] {
                    let mut damaged = whole.clone();
                    damaged[at] ^= flip;
                    let _ = decode(damaged);
                }
            }
        }
    }

    #[test]
    fn sizes_no_camera_has_are_refused_before_memory_is_taken() {
        let png = encoded(ImageFormat::Png);
        for (width, height) in [(0u32, 32u32), (64, 0), (12_001, 1), (1, 12_001), (12_000, 12_000)]
        {
            let mut header = png[12..29].to_vec();
            header[4..8].copy_from_slice(&width.to_be_bytes());
            header[8..12].copy_from_slice(&height.to_be_bytes());
            let mut crc = !0u32;
            for byte in &header {
                crc ^= u32::from(*byte);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                }
            }
            let sized = [&png[..12], &header[..], &(!crc).to_be_bytes(), &png[33..]].concat();
            let why = refusal(&sized);
            assert!(why.contains("picture") || why.contains("pixels"), "{width} x {height}: {why}");
        }
    }

    #[test]
    fn other_files_are_refused_by_name() -> std::io::Result<()> {
        assert!(refusal(b"GIF89a and so on").contains("neither a JPEG nor a PNG"));
        assert!(refusal(b"").contains("neither a JPEG nor a PNG"));
        let dir = tempfile::tempdir()?;
        let gone = dir.path().join("gone.jpg");
        assert!(
            matches!(read_picture(&gone), Err(ReadError::Missing { path, .. }) if path == gone)
        );
        let why = read_picture(dir.path()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(why.ends_with("is no regular file"), "{why}");
        Ok(())
    }
}
