//! What is fuzzed: everything that reads what others wrote. Each target takes any bytes, and must neither panic, nor hang, nor
//! break what it promises of what it has read. An ordinary test runs each over its corpus.

mod config;
mod requests;
mod stream;
mod upstream;
mod urls;
mod words;

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, by name: also those of the folders of the corpus.
pub const ALL: [(&str, Target); 9] = [
    ("answers", upstream::answers),
    ("export", upstream::export),
    ("dates", upstream::dates),
    ("config", config::file),
    ("words", words::words),
    ("retry_after", words::retry_after_header),
    ("requests", requests::requests),
    ("stream", stream::stream),
    ("urls", urls::urls),
];

/// The first byte, by which a target chooses, and the rest.
fn chosen(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(choice, rest)| (usize::from(*choice), rest))
}
