//! Both documents are valid, as validators see it that others wrote.

use std::fs;

use crate::foreign::{line, node, of_node, python, said, said_well, script};

#[test]
fn the_openapi_document_is_valid() {
    let who = "openapi-spec-validator (Python)";
    if let Some(faults) = said_well(who, python().arg(script("openapi.py")), http_api::openapi()) {
        assert_eq!(faults, "");
        line(who, "OpenAPI 3.1 document: valid");
    }
}

#[test]
fn the_asyncapi_document_is_valid() {
    let who = "@asyncapi/parser (JavaScript)";
    if let Some(faults) = said_well(who, node().arg(script("asyncapi.mjs")), http_api::asyncapi()) {
        assert_eq!(faults, "");
        line(who, "AsyncAPI 3.1 document: valid");
    }
}

#[test]
fn redocly_has_an_opinion_and_no_error() {
    let who = "@redocly/cli (JavaScript)";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    fs::write(&file, http_api::openapi()).expect("written");
    let mut lint = of_node("redocly");
    lint.arg("lint").arg(&file).env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    if let Some(output) = said(who, &mut lint, "") {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
        let warnings = said.lines().find(|line| line.contains("You have")).unwrap_or("no warnings");
        line(who, &format!("OpenAPI 3.1 document: valid; {}", warnings.trim()));
    }
}
