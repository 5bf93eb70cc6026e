//! How damage to a value shows.
//!
//! ```text
//! length of the body (u32, big-endian) | digest (16 bytes) | body
//! ```
//!
//! The digest is the first half of BLAKE3 over the key and the body: a value that was changed, cut, put together from two
//! versions, or moved under another key does not pass for what was written there.

use std::sync::LazyLock;

use crate::layout::MAX_RECORD_BYTES;

const LENGTH_BYTES: usize = 4;
const DIGEST_BYTES: usize = 16;
const HEAD_BYTES: usize = LENGTH_BYTES + DIGEST_BYTES;

type Digest = [u8; DIGEST_BYTES];

/// The value that holds `body` under `key`.
///
/// `body` has at most [`MAX_RECORD_BYTES`]; callers refuse more.
pub fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    [&head(key, body)[..], body].concat()
}

/// Makes `value` the same, of the body that `write` adds to it.
pub fn seal_into(value: &mut Vec<u8>, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    value.clear();
    value.extend_from_slice(&[0; HEAD_BYTES]);
    write(value);
    let head = head(key, &value[HEAD_BYTES..]);
    value[..HEAD_BYTES].copy_from_slice(&head);
}

/// What comes before `body`.
fn head(key: &[u8], body: &[u8]) -> [u8; HEAD_BYTES] {
    let length = u32::try_from(body.len()).expect("callers refuse records above MAX_RECORD_BYTES");
    let mut head = [0; HEAD_BYTES];
    head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    head[LENGTH_BYTES..].copy_from_slice(&digest(key, body));
    head
}

/// The body in `value`, if it is what was written under `key`.
pub fn open<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = value.split_first_chunk::<LENGTH_BYTES>()?;
    let (kept, body) = rest.split_first_chunk::<DIGEST_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let whole = length <= 2 * MAX_RECORD_BYTES && body.len() == length && digest(key, body) == *kept;
    whole.then_some(body)
}

/// The bytes of the frame that `value` begins with, as it says itself.
pub fn length(value: &[u8]) -> Option<usize> {
    let (length, _) = value.split_first_chunk::<LENGTH_BYTES>()?;
    Some(HEAD_BYTES + u32::from_be_bytes(*length) as usize)
}

/// Ready for the first byte: deriving its key costs as much as hashing a small record.
static HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("expensewire store record v1"));

fn digest(key: &[u8], body: &[u8]) -> Digest {
    let mut hasher = HASHER.clone();
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(body);
    let mut digest = Digest::default();
    hasher.finalize_xof().fill(&mut digest);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_size_comes_back() {
        for size in [0, 1, 40_000, 5 << 20] {
            let body: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let value = seal(b"key", &body);
            assert_eq!(open(b"key", &value), Some(&body[..]), "{size}");
            let mut same = b"what was there before".to_vec();
            seal_into(&mut same, b"key", |value| value.extend_from_slice(&body));
            assert_eq!(same, value, "{size}");
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_other_key_is_noticed() {
        let value = seal(b"key", b"the body of a record");
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(b"key", &damaged), None, "bit {bit}");
        }
        for length in 0..value.len() {
            assert_eq!(open(b"key", &value[..length]), None, "cut to {length}");
        }
        assert_eq!(open(b"key", &[&value[..], b"x"].concat()), None);
        assert_eq!(open(b"kez", &value), None);
    }
}
