//! Tags sent as a CSV or TSV file (reference §2.11).
//!
//! A column is a level, or two columns, name and code, when `glCodes` is set. A dependency between levels is accepted; what
//! the policy getter shows of it is the list of each level.

use super::csv;
use super::policy_update::shaped;
use crate::fields::{self, Object};
use crate::tenant::policy::{Tag, Tags};

/// The tags of the file, or nothing when the settings or the file are malformed.
pub(super) fn read(part: &Object, file: Option<&str>) -> Option<Tags> {
    let config = fields::object(part, "config")?;
    let separator = match fields::text(config, "fileType")?.as_str() {
        "csv" => ',',
        "tsv" => '\t',
        _ => return None,
    };
    let rows = csv::read(file?, separator);
    let step = if fields::flag(config, "glCodes").unwrap_or(false) { 2 } else { 1 };
    let has_header = fields::flag(config, "header").unwrap_or(false);
    let width = rows.iter().map(Vec::len).max()?.div_ceil(step);
    let mut levels: Vec<(String, Vec<Tag>)> =
        (0..width).map(|level| (level_name(&rows, has_header, level * step, level), Vec::new())).collect();
    for row in rows.iter().skip(usize::from(has_header)) {
        for (level, (_, tags)) in levels.iter_mut().enumerate() {
            let cell = |at: usize| row.get(at).map(|cell| cell.trim().to_owned()).unwrap_or_default();
            let name = cell(level * step);
            if !name.is_empty() && tags.iter().all(|tag| tag.name != name) {
                let gl_code = if step == 2 { cell(level * step + 1) } else { String::new() };
                tags.push(Tag { name, enabled: true, gl_code });
            }
        }
    }
    Some(shaped(levels))
}

fn level_name(rows: &[Vec<String>], has_header: bool, column: usize, level: usize) -> String {
    let header = rows.first().filter(|_| has_header).and_then(|row| row.get(column));
    header.filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| format!("Level {}", level + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tags(config: &serde_json::Value, file: &str) -> Option<Tags> {
        let part = json!({ "config": config });
        read(part.as_object().unwrap(), Some(file))
    }

    #[test]
    fn two_columns_with_codes_are_one_flat_list() {
        let config = json!({ "fileType": "csv", "glCodes": true, "header": true });
        let Some(Tags::Flat(found)) = tags(&config, "Department,Code\nOps,10\nEng,20\nOps,10\n") else {
            panic!("flat")
        };
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].gl_code, "20");
    }

    #[test]
    fn several_columns_are_levels() {
        let config = json!({ "fileType": "tsv", "header": false, "dependency": true });
        let Some(Tags::Levels(levels)) = tags(&config, "Ops\tLyon\nOps\tParis\n") else { panic!("levels") };
        assert_eq!((levels[0].1.len(), levels[1].1.len()), (1, 2));
    }

    #[test]
    fn the_misprint_in_the_manual_is_no_file_type() {
        assert!(tags(&json!({ "fileType": "cvs" }), "a").is_none());
    }
}
