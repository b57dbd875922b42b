//! The QR code of a ticket, as a picture for a browser or for print.
//! Invariant: level M and the smallest version that holds the text; base45 goes into alphanumeric mode.
use image::{ExtendedColorType, ImageEncoder, Luma, codecs::png::PngEncoder};
use qrcode::{EcLevel, QrCode, render::svg};
use thiserror::Error;

/// Side of one module in the PNG, in pixels: a version 6 code of 41 modules prints at 29 mm at 300 dpi.
const MODULE_PX: u32 = 7;

/// A text that makes no QR code.
#[derive(Debug, Error)]
pub enum QrError {
    /// Too long for a QR code.
    #[error("the text does not fit into a QR code: {0}")]
    Text(#[from] qrcode::types::QrError),
    /// The picture could not be written.
    #[error("the picture could not be written: {0}")]
    Picture(#[from] image::ImageError),
}

fn code(text: &str) -> Result<QrCode, QrError> {
    Ok(QrCode::with_error_correction_level(text, EcLevel::M)?)
}

/// As SVG, with its quiet zone.
pub fn svg(text: &str) -> Result<String, QrError> {
    Ok(code(text)?.render::<svg::Color<'_>>().min_dimensions(280, 280).build())
}

/// As PNG, 8-bit grey, with its quiet zone.
pub fn png(text: &str) -> Result<Vec<u8>, QrError> {
    let picture = code(text)?.render::<Luma<u8>>().module_dimensions(MODULE_PX, MODULE_PX).build();
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(
        picture.as_raw(),
        picture.width(),
        picture.height(),
        ExtendedColorType::L8,
    )?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_and_is_of_version_6() {
        let text = "0AB $%*+-./:".repeat(13)[..152].to_string();
        let png = png(&text).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        let mut seen = rqrr::PreparedImage::prepare(picture);
        let grids = seen.detect_grids();
        assert_eq!(grids.len(), 1);
        let (meta, read) = grids[0].decode().unwrap();
        assert_eq!(read, text);
        assert_eq!(meta.version.0, 6);
        assert!(svg(&text).unwrap().contains("<svg"));
    }

    #[test]
    fn a_text_too_long_is_an_error() {
        assert!(matches!(png(&"A".repeat(5000)), Err(QrError::Text(_))));
    }
}
