//! What blocks are made of: varints, fixed fields, zstd frames.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// zstd's level: level 1 already gets most of it, at three times the speed of the default.
const LEVEL: i32 = 1;
/// Bytes of the longest varint of a u64.
pub const MAX_VARINT_BYTES: usize = 10;

/// Compresses blocks one after the other; setting zstd up costs as much as a small block, and so does fresh memory.
pub struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

/// Buffers that grew larger than this for one block are not kept.
const KEPT_BYTES: usize = 1 << 20;

impl Packer {
    /// A packer of the level that blocks have.
    pub fn new() -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Compressor::new(LEVEL)?, packed: Vec::new() })
    }

    /// Adds one zstd frame of `plain` to `out`.
    pub fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.zstd.compress_to_buffer(plain, &mut self.packed)?;
        out.extend_from_slice(&self.packed);
        if self.packed.capacity() > KEPT_BYTES {
            self.packed = Vec::new();
        }
        Ok(())
    }
}

/// What somebody is done with and the next who needs one takes over; no more than so many.
struct Spares<T, const MOST: usize>(Mutex<Vec<T>>);

impl<T, const MOST: usize> Spares<T, MOST> {
    const fn none() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn take(&self) -> Option<T> {
        self.kept().pop()
    }

    fn give(&self, one: T) {
        let mut kept = self.kept();
        if kept.len() < MOST {
            kept.push(one);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many as commonly read at once; each holds some 160 kB.
static UNPACKERS: Spares<zstd::bulk::Decompressor<'static>, 8> = Spares::none();
/// As many as commonly are in use at once.
static PLAINS: Spares<Vec<u8>, 16> = Spares::none();
/// Larger ones, of blocks with an event of unusual size, are not kept.
const KEPT_PLAIN_BYTES: usize = 256 << 10;

/// Decompresses blocks one after the other. Setting zstd up for that costs as much as a block does.
pub struct Unpacker(Option<zstd::bulk::Decompressor<'static>>);

impl Unpacker {
    /// One that nobody else uses.
    pub fn new() -> io::Result<Self> {
        UNPACKERS.take().map_or_else(zstd::bulk::Decompressor::new, Ok).map(Some).map(Self)
    }

    /// What is in the frame `packed`; none if it is none, or holds more than `bytes`.
    pub fn unpack(&mut self, packed: &[u8], bytes: usize) -> Option<Plain> {
        let mut plain = Plain::with_room(bytes);
        // It fills what there is room for, which may be more.
        let filled = self.0.as_mut()?.decompress_to_buffer(packed, &mut plain.0).ok()?;
        (filled <= bytes).then_some(plain)
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|zstd| UNPACKERS.give(zstd));
    }
}

/// The bytes of a block that is not packed, in memory that another one had before: fresh memory costs a fifth of unpacking.
#[derive(Debug, Default)]
pub struct Plain(Vec<u8>);

impl Plain {
    /// Empty, with room for so many.
    pub fn with_room(bytes: usize) -> Self {
        let mut plain = PLAINS.take().unwrap_or_default();
        plain.clear();
        plain.reserve(bytes);
        Self(plain)
    }

    /// A copy of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut plain = Self::with_room(bytes.len());
        plain.extend_from_slice(bytes);
        plain
    }
}

impl Clone for Plain {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl Deref for Plain {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Plain {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let plain = std::mem::take(&mut self.0);
        if (1..=KEPT_PLAIN_BYTES).contains(&plain.capacity()) {
            PLAINS.give(plain);
        }
    }
}

/// Adds `value` in LEB128: seven bits a byte, the lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes fields off the front; none where they are cut short.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// A varint of at most [`MAX_VARINT_BYTES`].
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for index in 0..MAX_VARINT_BYTES {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * index as u32;
            if bits > u64::MAX >> shift {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_none_is_read_beyond_its_bytes() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Reader(&bytes).varint(), Some(value));
            assert_eq!(Reader(&bytes[..bytes.len() - 1]).varint(), None);
        }
        assert_eq!(Reader(&[0xff; 11]).varint(), None);
    }

    #[test]
    fn a_frame_that_holds_more_than_it_may_is_none_whatever_memory_there_is() {
        let mut packed = Vec::new();
        Packer::new().expect("zstd").pack(&[7; 5_000], &mut packed).expect("packed");
        let mut unpacker = Unpacker::new().expect("zstd");
        // Others take from the same stock meanwhile.
        for _ in 0..100 {
            drop((0..16).map(|_| Plain::with_room(10_000)).collect::<Vec<_>>());
            assert!(unpacker.unpack(&packed, 4_999).is_none());
            assert_eq!(unpacker.unpack(&packed, 5_000).as_deref(), Some(&vec![7; 5_000]));
        }
    }
}
