//! Server-sent events, as the command line reads them.

use expensewire::cli::sse::Parser;

use super::chosen;

/// Any bytes, cut anywhere: what is read does not depend on where.
pub fn stream(data: &[u8]) {
    let (piece, stream) = chosen(data);
    let read = |piece: usize| {
        let (mut parser, mut messages) = (Parser::default(), Vec::new());
        for piece in stream.chunks(piece.max(1)) {
            messages.extend(parser.push(piece).expect("not too long"));
        }
        (messages, parser.last_id().map(ToOwned::to_owned))
    };
    assert_eq!(read(piece), read(stream.len()));
}
