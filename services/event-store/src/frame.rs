//! How a record becomes bounded values, and how damage shows.
//!
//! ```text
//! chunk 0:     length of the body (u32, big-endian) | digest (16 bytes) | first bytes of the body
//! chunk 1, ..: the bytes that follow, MAX_VALUE_BYTES in each but the last
//! ```
//!
//! The digest is the first half of BLAKE3 over the key and the body: a record that was changed, cut, mixed from two
//! versions, or moved under another key does not pass for what was written there.

use std::sync::LazyLock;

use crate::layout::{MAX_RECORD_BYTES, MAX_VALUE_BYTES};

const LENGTH_BYTES: usize = 4;
const DIGEST_BYTES: usize = 16;
const HEADER_BYTES: usize = LENGTH_BYTES + DIGEST_BYTES;
const FIRST_BYTES: usize = MAX_VALUE_BYTES - HEADER_BYTES;

type Digest = [u8; DIGEST_BYTES];

/// The values of `body` under `key`, in the order of their chunks; at least one.
///
/// `body` has at most [`MAX_RECORD_BYTES`]; callers refuse more.
pub fn split(key: &[u8], body: &[u8]) -> Vec<Vec<u8>> {
    let length = u32::try_from(body.len()).expect("callers refuse records above MAX_RECORD_BYTES");
    let (first, rest) = body.split_at(body.len().min(FIRST_BYTES));
    let head = [&length.to_be_bytes()[..], &digest(key, body), first].concat();
    std::iter::once(head).chain(rest.chunks(MAX_VALUE_BYTES).map(<[u8]>::to_vec)).collect()
}

/// The body of a record that fits one value, as the head and the states do; none when it is damaged.
pub fn open_single(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    Partial::start(value)?.finish(key)
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

/// A record of which some chunks are read.
pub struct Partial {
    length: usize,
    digest: Digest,
    body: Vec<u8>,
}

impl Partial {
    /// Begins with chunk 0; none when it cannot be one.
    pub fn start(value: &[u8]) -> Option<Self> {
        let (length, rest) = value.split_first_chunk::<LENGTH_BYTES>()?;
        let (digest, first) = rest.split_first_chunk::<DIGEST_BYTES>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_RECORD_BYTES || first.len() != length.min(FIRST_BYTES) {
            return None;
        }
        let mut body = Vec::with_capacity(length);
        body.extend_from_slice(first);
        Some(Self { length, digest: *digest, body })
    }

    /// Whether no chunk is missing.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.length
    }

    /// Adds the next chunk; none when it has not the size that it must have.
    pub fn push(&mut self, chunk: &[u8]) -> Option<()> {
        let expected = (self.length - self.body.len()).min(MAX_VALUE_BYTES);
        if chunk.is_empty() || chunk.len() != expected {
            return None;
        }
        self.body.extend_from_slice(chunk);
        Some(())
    }

    /// The body, if it is what was written under `key`.
    pub fn finish(self, key: &[u8]) -> Option<Vec<u8>> {
        (self.is_whole() && digest(key, &self.body) == self.digest).then_some(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(key: &[u8], values: &[Vec<u8>]) -> Option<Vec<u8>> {
        let (first, rest) = values.split_first()?;
        let mut partial = Partial::start(first)?;
        for value in rest {
            partial.push(value)?;
        }
        partial.finish(key)
    }

    #[test]
    fn a_body_of_any_size_comes_back_and_no_value_passes_the_bound() {
        for size in [0, 1, FIRST_BYTES, FIRST_BYTES + 1, FIRST_BYTES + MAX_VALUE_BYTES, 5 << 20] {
            let body: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let values = split(b"key", &body);
            assert!(values.iter().all(|v| v.len() <= MAX_VALUE_BYTES));
            assert_eq!(join(b"key", &values), Some(body), "{size}");
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_other_key_is_noticed() {
        let values = split(b"key", b"the body of a record");
        for bit in 0..values[0].len() * 8 {
            let mut damaged = values.clone();
            damaged[0][bit / 8] ^= 1 << (bit % 8);
            assert_eq!(join(b"key", &damaged), None, "bit {bit}");
        }
        for length in 0..values[0].len() {
            assert_eq!(join(b"key", &[values[0][..length].to_vec()]), None, "cut to {length}");
        }
        assert_eq!(join(b"kez", &values), None);
    }

    #[test]
    fn a_missing_a_surplus_or_a_swapped_chunk_is_noticed() {
        let body: Vec<u8> = (0..4 * MAX_VALUE_BYTES).map(|i| (i / 1000) as u8).collect();
        let values = split(b"key", &body);
        assert_eq!(join(b"key", &values[..values.len() - 1]), None);
        assert_eq!(join(b"key", &[values.clone(), vec![vec![0]]].concat()), None);
        let mut swapped = values;
        swapped.swap(1, 2);
        assert_eq!(join(b"key", &swapped), None);
    }
}
