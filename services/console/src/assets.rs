//! Style, script and icon: files of this crate, in the binary, under addresses that change with what is in them.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ALL: [Asset; 3] = [
    Asset {
        name: "console.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../assets/console.css"),
    },
    Asset {
        name: "console.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../assets/console.js"),
    },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("../assets/icon.svg") },
];

/// A year: what is under one address never changes.
const CACHED: &str = "public, max-age=31536000, immutable";

/// The hash of all of them: one differs, all addresses do.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for asset in &ALL {
        hasher.update(asset.content.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
});

/// Where the asset `name` is.
pub(crate) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// `GET /assets/{version}/{name}`
pub(crate) async fn show(Path((version, name)): Path<(String, String)>) -> Response {
    let found = ALL.iter().find(|asset| asset.name == name && version == *VERSION);
    match found {
        Some(asset) => {
            let head = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, CACHED)];
            (head, asset.content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
