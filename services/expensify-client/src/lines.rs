//! Bytes in pieces of any size, out as lines of bounded length.
//!
//! A line that lies within one piece is a slice of that piece: nothing is copied. Only one that spans pieces is put together
//! in a buffer of its own. A line that is kept therefore keeps its piece in memory.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// The longest line that is kept. A report of ten thousand expenses takes four megabytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// So much of a line that is too long is kept: enough to say what it was.
const HEAD_BYTES: usize = 1024;

/// A line is longer than [`MAX_LINE_BYTES`]. The lines behind it follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {MAX_LINE_BYTES} bytes")]
pub struct LineTooLong {
    /// How it begins.
    pub head: Bytes,
}

/// Cuts pieces into lines. A line is what stands before `\n`, without it and without a `\r` before it; what follows the
/// last `\n` is a line too, unless it is empty.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// What is not cut yet.
    piece: Bytes,
    /// Beginning of a line that the pieces before `piece` left unfinished; holds no line end.
    begun: BytesMut,
    /// Up to its end the line that stands first was too long.
    skipping: bool,
}

impl LineSplitter {
    /// Takes the next piece. Cheap when all lines of the one before were taken.
    pub fn push(&mut self, piece: Bytes) {
        if self.piece.is_empty() {
            self.piece = piece;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.piece.len() + piece.len());
        joined.extend_from_slice(&self.piece);
        joined.extend_from_slice(&piece);
        self.piece = joined.freeze();
    }

    /// The next whole line, `None` until more is pushed.
    ///
    /// # Errors
    /// Once for a line that is too long; the next call goes on behind it.
    pub fn line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        if self.skipping && !self.skip() {
            return Ok(None);
        }
        let end = memchr(b'\n', &self.piece);
        if self.begun.len() + end.unwrap_or(self.piece.len()) > MAX_LINE_BYTES {
            self.skipping = true;
            let begun = std::mem::take(&mut self.begun);
            let head = if begun.is_empty() { &self.piece[..] } else { &begun[..] };
            return Err(LineTooLong { head: Bytes::copy_from_slice(&head[..head.len().min(HEAD_BYTES)]) });
        }
        let Some(end) = end else {
            self.begun.extend_from_slice(&self.piece);
            self.piece = Bytes::new();
            return Ok(None);
        };
        let mut line = self.piece.split_to(end + 1);
        line.truncate(end);
        Ok(Some(without_return(self.completed(line))))
    }

    /// Passes over the rest of a line that was too long. Whether its end was there.
    fn skip(&mut self) -> bool {
        let end = memchr(b'\n', &self.piece);
        drop(self.piece.split_to(end.map_or(self.piece.len(), |end| end + 1)));
        self.skipping = end.is_none();
        end.is_some()
    }

    /// What is left after the last piece: the last line, if it had no line end.
    pub fn rest(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        let piece = std::mem::take(&mut self.piece);
        let line = self.completed(piece);
        (!line.is_empty()).then(|| without_return(line))
    }

    /// `end` after what was begun.
    fn completed(&mut self, end: Bytes) -> Bytes {
        if self.begun.is_empty() {
            return end;
        }
        self.begun.extend_from_slice(&end);
        self.begun.split().freeze()
    }
}

fn without_return(mut line: Bytes) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(line) = splitter.line().unwrap() {
                lines.push(line);
            }
        }
        lines.extend(splitter.rest());
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = b"one\r\ntwo\n\n\xc3\xa9\nlast";
        let whole = lines(&[text]);
        assert_eq!(whole, [&b"one"[..], b"two", b"", b"\xc3\xa9", b"last"]);
        for at in 0..text.len() {
            assert_eq!(lines(&[&text[..at], &text[at..]]), whole);
        }
        assert_eq!(lines(&[b"end\n"]), [&b"end"[..]]);
    }

    #[test]
    fn pieces_that_are_pushed_before_their_lines_are_taken_are_not_lost() {
        let mut splitter = LineSplitter::default();
        for piece in ["on", "e\ntw", "o\nthr", "ee"] {
            splitter.push(Bytes::from(piece));
        }
        let mut taken = || splitter.line().unwrap();
        assert_eq!([taken(), taken(), taken()], [Some(Bytes::from("one")), Some(Bytes::from("two")), None]);
        assert_eq!(splitter.rest().as_deref(), Some(&b"three"[..]));
        assert_eq!(splitter.rest(), None);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut splitter = LineSplitter::default();
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        let refused_after = (1..).find(|_| {
            splitter.push(piece.clone());
            splitter.line().is_err_and(|long| long.head == vec![b'x'; HEAD_BYTES])
        });
        assert_eq!(refused_after, Some(17));
    }

    #[test]
    fn a_line_that_is_too_long_hides_none_behind_it() {
        let mut splitter = LineSplitter::default();
        let mut text = vec![b'x'; MAX_LINE_BYTES + 1];
        text.extend_from_slice(b"x\nnext\nlast");
        let mut lines = Vec::new();
        for piece in text.chunks(3 * 1024 * 1024) {
            splitter.push(Bytes::copy_from_slice(piece));
            loop {
                match splitter.line() {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => break,
                    Err(long) => lines.push(long.head.slice(..1)),
                }
            }
        }
        lines.extend(splitter.rest());
        assert_eq!(lines, ["x", "next", "last"]);
        text.truncate(MAX_LINE_BYTES + 1);
        splitter.push(Bytes::from(text));
        assert!(splitter.line().is_err() && splitter.line() == Ok(None) && splitter.rest().is_none());
    }

    proptest! {
        #[test]
        fn joining_the_lines_gives_the_text(text in "[a\n]{0,60}", cut in 0_usize..60) {
            let cut = cut.min(text.len());
            let joined = lines(&[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]).join(&b'\n');
            prop_assert_eq!(joined, text.strip_suffix('\n').unwrap_or(&text).as_bytes());
        }
    }
}
