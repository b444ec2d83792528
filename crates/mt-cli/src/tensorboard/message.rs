//! The messages of an event file, in the wire format of protocol buffers.
//!
//! | message | field | number |
//! |---|---|---|
//! | `Event` | `wall_time`: double, `step`: int64, `file_version`: string, `summary`: `Summary` | 1, 2, 3, 5 |
//! | `Summary` | `value`: `Value`, repeated | 1 |
//! | `Value` | `tag`: string, `simple_value`: float | 1, 2 |
//!
//! Fields as in TensorFlow's `event.proto` and `summary.proto`. Two messages of a few fields need no code generator.

/// How the value behind a field's number is stored.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// The first event of a file.
pub fn version(wall_time: f64) -> Vec<u8> {
    let mut event = begin(wall_time);
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

/// An event with the values of some tags.
pub fn scalars(wall_time: f64, step: u64, values: &[(String, f64)]) -> Vec<u8> {
    let mut event = begin(wall_time);
    key(&mut event, 2, VARINT);
    varint(&mut event, step);
    let mut summary = Vec::new();
    for (tag, number) in values {
        let mut value = Vec::new();
        bytes(&mut value, 1, tag.as_bytes());
        key(&mut value, 2, FOUR_BYTES);
        value.extend((*number as f32).to_le_bytes());
        bytes(&mut summary, 1, &value);
    }
    bytes(&mut event, 5, &summary);
    event
}

fn begin(wall_time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    key(&mut event, 1, EIGHT_BYTES);
    event.extend(wall_time.to_le_bytes());
    event
}

fn key(to: &mut Vec<u8>, field: u64, kind: u64) {
    varint(to, field << 3 | kind);
}

fn bytes(to: &mut Vec<u8>, field: u64, data: &[u8]) {
    key(to, field, LENGTH);
    varint(to, data.len() as u64);
    to.extend(data);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_bytes_that_protocol_buffers_say() {
        let time = [0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
        assert_eq!(version(1.5), [&time[..], &[0x1a, 13], b"brain.Event:2"].concat());
        let value = [&[0x0a, 1][..], b"a", &[0x15, 0, 0, 0, 0x3f]].concat();
        let expected = [&time[..], &[0x10, 0xac, 0x02, 0x2a, 10, 0x0a, 8], &value].concat();
        assert_eq!(scalars(1.5, 300, &[("a".into(), 0.5)]), expected);
    }
}
