//! Rewrites `templates/*.min.ftl` from their sources. Run it after a change of a template:
//! `cargo run -p expensify-client --example minify_templates`.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    for name in ["reports", "doctor"] {
        let source = fs::read_to_string(templates.join(name).with_extension("ftl"))?;
        let minified = expensify_client::template::minify(&source)?;
        fs::write(templates.join(name).with_extension("min.ftl"), &minified)?;
        println!("{name}: {} bytes", minified.len());
    }
    Ok(())
}
