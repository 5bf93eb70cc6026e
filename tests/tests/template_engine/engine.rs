//! The real FreeMarker engine, by way of `freemarker/Render.java`: all cases of a test in one process.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use serde_json::{Value, json};

/// Where Debian's `libfreemarker-java` puts the engine.
const JAR: &str = "/usr/share/java/freemarker.jar";
const INSTALL: &str = "apt-get install default-jdk-headless libfreemarker-java";

/// One rendering to be made.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub template: String,
    /// JSON; see `Render.java` for what it can say beyond.
    pub model: String,
    pub settings: Vec<(&'static str, &'static str)>,
    /// The other object wrapper, under which a text is a hash too.
    pub beans: bool,
    pub charset: &'static str,
}

impl Case {
    pub fn new(name: impl Into<String>, template: &str, model: &Value) -> Self {
        Self {
            name: name.into(),
            template: template.to_owned(),
            model: model.to_string(),
            settings: Vec::new(),
            beans: false,
            charset: "UTF-8",
        }
    }

    pub fn under(mut self, settings: &[(&'static str, &'static str)]) -> Self {
        self.settings = settings.to_vec();
        self
    }

    pub fn locale(&self) -> &'static str {
        self.settings.iter().find(|(name, _)| *name == "locale").map_or("en_US", |(_, value)| *value)
    }
}

/// What became of it; the bytes are there also when it broke off.
#[derive(Debug)]
pub struct Rendered {
    pub case: Case,
    pub error: Option<String>,
    pub bytes: Vec<u8>,
}

impl Rendered {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The engine's version and what it made of each case; `None` when there is no engine on this machine, which is said.
pub fn render(cases: Vec<Case>) -> Option<(String, Vec<Rendered>)> {
    if !present() {
        static SAID: Once = Once::new();
        let what = format!("template_engine: a JDK or {JAR} is missing ({INSTALL})");
        assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
        // Past the capture of the test runner, and once for all the tests.
        SAID.call_once(|| writeln!(io::stderr(), "SKIP {what}").expect("standard error is open"));
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json");
    let planned: Vec<Value> = planned(&cases, folder.path());
    fs::write(&plan, json!({ "cases": planned }).to_string()).expect("the plan is written");
    let harness = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("freemarker/Render.java");
    let mut engine = Command::new("java");
    let output = engine
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", JAR])
        .arg(harness)
        .arg(plan)
        .output()
        .expect("java runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let mut told = told.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let version = told.next().expect("the engine names itself")["engine"].as_str().expect("text").to_owned();
    let rendered = cases.into_iter().zip(told).zip(&planned).map(|((case, told), plan)| {
        assert_eq!(told["name"], case.name.as_str());
        assert_eq!(told["skipped"], json!([]), "{}: a setting that the engine does not know tests nothing", case.name);
        let bytes = fs::read(plan["out"].as_str().expect("a path")).expect("what was rendered");
        Rendered { case, error: told["error"].as_str().map(str::to_owned), bytes }
    });
    let rendered: Vec<Rendered> = rendered.collect();
    assert_eq!(rendered.len(), planned.len(), "every case is told");
    Some((version, rendered))
}

/// The plan of each case; equal templates and models are one file.
fn planned(cases: &[Case], folder: &Path) -> Vec<Value> {
    let mut files: HashMap<&str, PathBuf> = HashMap::new();
    let plan = |(number, case): (usize, &'_ Case), files: &HashMap<&str, PathBuf>| {
        let settings: HashMap<_, _> = case.settings.iter().copied().collect();
        json!({
            "name": case.name,
            "template": files[case.template.as_str()],
            "model": files[case.model.as_str()],
            "out": folder.join(format!("{number}.out")),
            "wrapper": if case.beans { "beans" } else { "default" },
            "charset": case.charset,
            "settings": settings,
        })
    };
    for text in cases.iter().flat_map(|case| [case.template.as_str(), case.model.as_str()]) {
        let path = folder.join(format!("{}.in", files.len()));
        files.entry(text).or_insert_with(|| {
            fs::write(&path, text).expect("a file is written");
            path
        });
    }
    cases.iter().enumerate().map(|case| plan(case, &files)).collect()
}

/// The engine is here, and a Java that can compile the harness.
fn present() -> bool {
    let modules = Command::new("java").arg("--list-modules").output();
    let compiles = modules.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("jdk.compiler"));
    compiles && Path::new(JAR).exists()
}
