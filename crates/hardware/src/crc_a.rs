//! CRC_A of ISO/IEC 14443-3, annex B.
//!
//! Invariant: `checked(bytes ‖ of(bytes))` is `bytes`.

/// The two bytes that follow a frame's bytes on air.
pub fn of(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0x6363u16, |crc, byte| {
        let mut mixed = u16::from(*byte) ^ (crc & 0xFF);
        mixed = (mixed ^ (mixed << 4)) & 0xFF;
        (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    });
    crc.to_le_bytes()
}

/// The bytes before a right CRC.
pub fn checked(frame: &[u8]) -> Option<&[u8]> {
    let (bytes, crc) = frame.split_last_chunk::<2>()?;
    (of(bytes) == *crc).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_examples_come_out() {
        assert_eq!(of(&[0x00, 0x00]), [0xA0, 0x1E]);
        assert_eq!(of(&[0x12, 0x34]), [0x26, 0xCF]);
    }

    #[test]
    fn one_wrong_bit_is_found() {
        let mut frame = vec![0x30, 0x04];
        frame.extend(of(&[0x30, 0x04]));
        assert_eq!(checked(&frame), Some(&[0x30, 0x04][..]));
        for bit in 0..32 {
            let mut wrong = frame.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(checked(&wrong), None);
        }
        assert_eq!(checked(&[0x63]), None);
    }
}
