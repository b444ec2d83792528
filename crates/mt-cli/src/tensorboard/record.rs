//! The frame of TensorFlow's record files: length, checksum of the length, data, checksum of the data; little-endian.

/// A message in its frame.
pub fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(data);
    record.extend(masked(crc32c(data)).to_le_bytes());
    record
}

/// As stored: rotated and moved, so that a checksum of data that holds checksums is not a trivial one.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The reversed polynomial of Castagnoli (RFC 3720, section 12.1).
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainder of each byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// CRC-32C. A crate for it would bring instructions for gigabytes; these are a hundred bytes an event.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize];
    !data.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        let upwards: Vec<u8> = (0..32).collect();
        let downwards: Vec<u8> = (0..32).rev().collect();
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&upwards), 0x46dd_794e);
        assert_eq!(crc32c(&downwards), 0x113f_db5c);
        // Of "123456789", by which checksums are told apart.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_frame_is_sixteen_bytes_around_the_data() {
        let record = record(b"data");
        assert_eq!(record.len(), 20);
        assert_eq!((&record[..8], &record[12..16]), (&[4, 0, 0, 0, 0, 0, 0, 0][..], &b"data"[..]));
    }
}
