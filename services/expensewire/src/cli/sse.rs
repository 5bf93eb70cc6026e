//! Server-sent events (WHATWG HTML, section 9.2.6), read from chunks that may be cut anywhere, between the bytes of a
//! character or of a line's end too.

/// Longest message: an event is at most a sled value, far below this. A server that sends more is not ours.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its type; `message` when the server names none.
    pub event: String,
    /// Its data, lines joined by `\n`.
    pub data: String,
}

/// The server sent a message without end.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a message of more than {MAX_MESSAGE_BYTES} bytes")]
pub struct TooLong;

/// A reader of one stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR, so that an LF right after it ends nothing.
    after_cr: bool,
    past_first_line: bool,
    event: String,
    data: String,
    has_data: bool,
    /// What the last `id` field said; it counts when its message is whole.
    told_id: Option<String>,
    last_id: Option<String>,
}

impl Parser {
    /// Takes the next bytes in, and gives the messages that they complete.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for &byte in chunk {
            let lf_of_crlf = byte == b'\n' && std::mem::take(&mut self.after_cr);
            match byte {
                _ if lf_of_crlf => {}
                b'\r' | b'\n' => {
                    self.after_cr = byte == b'\r';
                    messages.extend(self.end_of_line());
                }
                _ => {
                    self.after_cr = false;
                    self.line.push(byte);
                }
            }
            if self.line.len() + self.data.len() > MAX_MESSAGE_BYTES {
                return Err(TooLong);
            }
        }
        Ok(messages)
    }

    /// The id that the stream has come to: what `Last-Event-ID` says when it is resumed.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn end_of_line(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.line);
        let mut bytes = bytes.as_slice();
        if !std::mem::replace(&mut self.past_first_line, true) {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        if bytes.is_empty() {
            return self.end_of_message();
        }
        let line = String::from_utf8_lossy(bytes);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        self.field(field, value.strip_prefix(' ').unwrap_or(value));
        None
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => self.told_id = Some(value.to_owned()),
            // A comment has the empty name; `retry` is the server's wish for browsers, we have our own pace.
            _ => {}
        }
    }

    fn end_of_message(&mut self) -> Option<Message> {
        self.last_id.clone_from(&self.told_id);
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        let event = if event.is_empty() { "message".to_owned() } else { event };
        std::mem::take(&mut self.has_data).then_some(Message { event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: impl Iterator<Item = Vec<u8>>) -> (Vec<Message>, Option<String>) {
        let mut parser = Parser::default();
        let messages = chunks.flat_map(|chunk| parser.push(&chunk).unwrap()).collect();
        (messages, parser.last_id().map(str::to_owned))
    }

    fn whole(text: &str) -> Vec<Message> {
        read(std::iter::once(text.as_bytes().to_vec())).0
    }

    const STREAM: &str = "\u{feff}: hello\r\n\r\nid: 1\r\nevent: report.approved\r\ndata: {\"a\":\"é\u{1F9FE}\"}\r\n\r\n\
        id:2\rdata: one\rdata:two\r\rretry: 10\nid: 3\r\n\r\n:beat\n\ndata\n\nid: bad\0\ndata: x\n\r\nid: 4\ndata: cut";

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let message = |event: &str, data: &str| Message { event: event.to_owned(), data: data.to_owned() };
        let messages = vec![
            message("report.approved", "{\"a\":\"é\u{1F9FE}\"}"),
            message("message", "one\ntwo"),
            message("message", ""),
            message("message", "x"),
        ];
        let expected = (messages, Some("3".to_owned()));
        assert_eq!(read(std::iter::once(STREAM.as_bytes().to_vec())), expected);
        for size in 1..STREAM.len() {
            assert_eq!(read(STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec)), expected, "chunks of {size}");
        }
        for cut in 0..STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(cut);
            assert_eq!(read([head.to_vec(), Vec::new(), tail.to_vec()].into_iter()), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_message_that_was_cut_off_is_not_given() {
        assert!(whole("id: 7\ndata: half").is_empty());
        let mut parser = Parser::default();
        assert!(parser.push(b"id: 6\ndata: whole\n\nid: 7\ndata: half\n").unwrap().len() == 1);
        assert_eq!(parser.last_id(), Some("6"), "resuming after 7 would lose it");
    }

    #[test]
    fn an_id_without_data_moves_the_position_and_gives_nothing() {
        let mut parser = Parser::default();
        assert!(parser.push(b"id: 42\n\n").unwrap().is_empty());
        assert_eq!(parser.last_id(), Some("42"));
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        assert!((0..10).any(|_| parser.push(&chunk).is_err()));
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &chunk, b"\n"].concat();
        assert!((0..10).any(|_| parser.push(&line).is_err()));
    }
}
