//! Bytes in pieces of any size, out as lines of bounded length.

use bytes::{Bytes, BytesMut};

/// The longest line that is kept. A report of ten thousand expenses takes four megabytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A line is longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {MAX_LINE_BYTES} bytes")]
pub struct LineTooLong;

/// Cuts pieces into lines. A line is what stands before `\n`, without it and without a `\r` before it; what follows the
/// last `\n` is a line too, unless it is empty.
#[derive(Debug, Default)]
pub struct LineSplitter {
    pending: BytesMut,
    /// So much of `pending` was searched and holds no line end.
    searched: usize,
}

impl LineSplitter {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next whole line, `None` until more is pushed.
    pub fn line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let found = self.pending[self.searched..].iter().position(|b| *b == b'\n');
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.pending.len();
            return if self.searched > MAX_LINE_BYTES { Err(LineTooLong) } else { Ok(None) };
        };
        if at > MAX_LINE_BYTES {
            return Err(LineTooLong);
        }
        self.searched = 0;
        let mut line = self.pending.split_to(at + 1);
        line.truncate(at);
        Ok(Some(without_return(line)))
    }

    /// What is left after the last piece: the last line, if it had no line end.
    pub fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let line = self.pending.split();
        (!line.is_empty()).then(|| without_return(line))
    }
}

fn without_return(mut line: BytesMut) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(piece);
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
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut splitter = LineSplitter::default();
        let piece = vec![b'x'; 1024 * 1024];
        let refused_after = (1..).find(|_| {
            splitter.push(&piece);
            splitter.line() == Err(LineTooLong)
        });
        assert_eq!(refused_after, Some(17));
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
