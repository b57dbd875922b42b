//! From a picture to the bytes of the one QR code in it.
//!
//! Invariant: any bytes give an answer, in memory bounded by [`MAX_SIDE`] and within [`LONGEST_LOOK`].

use std::{
    io::Cursor,
    panic,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

use image::{ImageError, ImageFormat, ImageReader, Limits};
use rqrr::PreparedImage;
use thiserror::Error;

/// The largest width and height, in pixels.
pub const MAX_SIDE: u32 = 1024;

/// How long one picture is looked at.
pub const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Pictures still being looked at though nobody waits any more: a wall of finder patterns keeps
/// the decoder busy for minutes, and it cannot be told to stop.
const MAX_ABANDONED: usize = 2;
static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// Bytes an image decoder may take: 16-bit RGBA at the largest size, and as much again to work.
const MAX_IMAGE_BYTES: u64 = MAX_SIDE as u64 * MAX_SIDE as u64 * 8 * 2;

/// A picture from which nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PictureError {
    /// No PNG, or a damaged one.
    #[error("the picture is not a PNG, or a damaged one")]
    NotAPng,
    /// More than [`MAX_SIDE`] pixels wide or high.
    #[error("the picture is more than {MAX_SIDE} pixels wide or high")]
    TooLarge,
    /// Not decoded within [`LONGEST_LOOK`], or the decoder is busy with such pictures.
    #[error("the picture takes too long to read")]
    TooHard,
    /// None that can be decoded.
    #[error("no QR code found in the picture")]
    NoCode,
    /// More than one can be decoded: which one is meant nobody knows.
    #[error("{0} QR codes in the picture: show one")]
    SeveralCodes(usize),
}

/// The content of the one QR code in this PNG.
pub fn decode_png(png: &[u8]) -> Result<Vec<u8>, PictureError> {
    if ABANDONED.load(Ordering::SeqCst) >= MAX_ABANDONED {
        return Err(PictureError::TooHard);
    }
    let (answer, answered) = sync_channel(0);
    let png = png.to_vec();
    let looking = thread::Builder::new().spawn(move || {
        // The decoders are other people's code under hostile bytes: a panic in them is a picture
        // without a code, not a dead scanner.
        let seen = panic::catch_unwind(|| decode(&png)).unwrap_or(Err(PictureError::NoCode));
        if answer.send(seen).is_err() {
            ABANDONED.fetch_sub(1, Ordering::SeqCst);
        }
    });
    if looking.is_err() {
        return Err(PictureError::TooHard);
    }
    answered.recv_timeout(LONGEST_LOOK).unwrap_or_else(|_| {
        ABANDONED.fetch_add(1, Ordering::SeqCst);
        Err(PictureError::TooHard)
    })
}

fn decode(png: &[u8]) -> Result<Vec<u8>, PictureError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_IMAGE_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    reader.limits(limits);
    let picture = match reader.decode() {
        Ok(picture) => picture.into_luma8(),
        Err(ImageError::Limits(_)) => return Err(PictureError::TooLarge),
        Err(_) => return Err(PictureError::NotAPng),
    };
    let (Ok(width), Ok(height)) = (usize::try_from(picture.width()), usize::try_from(picture.height())) else {
        return Err(PictureError::TooLarge);
    };
    let pixels = picture.as_raw();
    let mut prepared = PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        pixels.get(y * width + x).copied().unwrap_or(u8::MAX)
    });
    let mut codes: Vec<Vec<u8>> = prepared
        .detect_grids()
        .iter()
        .filter_map(|grid| {
            let mut content = Vec::new();
            grid.decode_to(&mut content).ok().map(|_| content)
        })
        .collect();
    match codes.len() {
        0 | 1 => codes.pop().ok_or(PictureError::NoCode),
        several => Err(PictureError::SeveralCodes(several)),
    }
}
