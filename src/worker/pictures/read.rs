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
