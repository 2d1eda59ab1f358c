//! A lake and a project in a temporary folder, and `pintail` run on them.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, Weak};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PINTAIL: &str = env!("CARGO_BIN_EXE_pintail");

/// What a project without a `dbt_project.yml` of its own gets.
const DBT_PROJECT: &str = include_str!("../fixtures/stories/dbt_project.yml");

/// `lake/` and, where a project is given, `project/` in a folder that goes with it.
pub(crate) struct Lake {
    folder: TempDir,
}

impl Lake {
    /// Unpacks an archive: a line `-- path --` before each file. Paths below `raw/` belong to the lake, all others to
    /// the project.
    pub(crate) fn of(archive: &str) -> Self {
        let lake = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir_all(lake.path("raw")).expect("the folder raw");
        lake.unpack(archive);
        if lake.path("").parent().is_some_and(|folder| folder.join("project").is_dir())
            && !lake.path("dbt_project.yml").exists()
        {
            lake.write("dbt_project.yml", DBT_PROJECT);
        }
        lake
    }

    /// Writes the files of an archive over those that are there.
    pub(crate) fn unpack(&self, archive: &str) {
        let mut path = None;
        let mut files: Vec<(&str, String)> = Vec::new();
        for line in archive.split_inclusive('\n') {
            match line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
                Some(name) => {
                    path = Some(name);
                    files.push((name, String::new()));
                }
                None if path.is_some() => files.last_mut().expect("a file").1.push_str(line),
                None => assert!(line.trim().is_empty(), "an archive begins with `-- path --`, not with {line:?}"),
            }
        }
        for (name, text) in &files {
            self.write(name, text);
        }
    }

    /// The folder that holds lake and project.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a path of an archive stands.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        let zone = ["raw", "silver", "gold"].iter().any(|zone| path == *zone || path.starts_with(&format!("{zone}/")));
        match path {
            "" => self.folder.path().join("lake"),
            _ if zone => self.folder.path().join("lake").join(path),
            _ => self.folder.path().join("project").join(path),
        }
    }

    /// Writes one file.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }

    /// Removes one file or folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("remove {}: {error}", path.display()));
    }

    /// Replaces a text in one file, which must have it.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).expect("read the file");
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    /// Runs `pintail` in the folder.
    pub(crate) fn pintail(&self, arguments: &[&str]) -> Done {
        let output =
            Command::new(PINTAIL).args(arguments).current_dir(self.folder.path()).output().expect("start pintail");
        Done::of(format!("pintail {}", arguments.join(" ")), &output)
    }

    /// `pintail ingest --json`, with the project if there is one, and its exit code checked.
    #[track_caller]
    pub(crate) fn ingest(&self, code: i32, arguments: &[&str]) -> Done {
        let mut all = vec!["ingest", "--lake", "lake", "--json"];
        if self.folder.path().join("project").is_dir() {
            all.extend(["--project", "project"]);
        }
        all.extend(arguments);
        self.pintail(&all).exits(code)
    }

    /// `pintail ingest` that dies before its n-th write, if it makes so many.
    pub(crate) fn ingest_until(&self, fault: u64) {
        Command::new(PINTAIL)
            .args(["ingest", "--lake", "lake", "--project", "project"])
            .current_dir(self.folder.path())
            .env("PINTAIL_FAULT", fault.to_string())
            .output()
            .expect("start pintail");
    }

    /// `pintail audit`, which must find nothing.
    #[track_caller]
    pub(crate) fn audit(&self) {
        let project = ["audit", "--lake", "lake", "--project", "project"];
        let arguments = if self.folder.path().join("project").is_dir() { &project[..] } else { &project[..3] };
        self.pintail(arguments).exits(0).says("everything agrees");
    }

    /// The rows of a query as CSV, without the line of names.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> String {
        let done = self.pintail(&["query", "--lake", "lake", "--format", "csv", sql]).exits(0);
        let (_, rows) = done.stdout.split_once('\n').unwrap_or_default();
        rows.trim_end().to_owned()
    }

    /// `key: reason` of every quarantined record, sorted by key and number.
    #[track_caller]
    pub(crate) fn reasons(&self) -> String {
        let done = self.pintail(&["quarantine", "--lake", "lake", "--format", "json"]).exits(0);
        let records: Vec<Value> = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}\n{done}"));
        let line = |record: &Value| {
            let reasons: Vec<&str> =
                record["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!(
                "{}:{}: {}",
                record["key"].as_str().unwrap_or_default(),
                record["record_number"],
                reasons.join("; ")
            )
        };
        records.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The newest version of a table, as `silver.x`.
    #[track_caller]
    pub(crate) fn version(&self, table: &str) -> u64 {
        let done = self.pintail(&["tables", "--lake", "lake", "--format", "json"]).exits(0);
        let tables: Vec<Value> = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}\n{done}"));
        let found = tables.iter().find(|entry| entry["table"] == table).and_then(|entry| entry["version"].as_u64());
        found.unwrap_or_else(|| panic!("there is no table {table}\n{done}"))
    }

    /// Every file below a path with its content.
    pub(crate) fn files(&self, path: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(path)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).unwrap_or_default();
                    files.insert(path.strip_prefix(self.folder.path()).unwrap_or(&path).to_owned(), content);
                }
            }
        }
        files
    }

    /// The names of all files of the tables: commits and data.
    pub(crate) fn table_files(&self) -> Vec<PathBuf> {
        let tables = self.files("silver").into_keys().chain(self.files("gold").into_keys());
        tables.filter(|path| !path.components().any(|part| part.as_os_str() == "_pintail")).collect()
    }
}

/// A finished process; shown whole when an expectation fails.
pub(crate) struct Done {
    /// The command as typed.
    pub(crate) command: String,
    /// The exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Done {
    /// What became of `command`.
    pub(crate) fn of(command: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { command, code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Expects an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code is not the one expected\n{self}");
        self
    }

    /// Expects a text on stdout or stderr.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "{text:?} is not said\n{self}");
        self
    }

    /// The receipts that `--json` printed, by key.
    #[track_caller]
    pub(crate) fn receipts(&self) -> BTreeMap<String, Value> {
        let receipt = |line: &str| -> (String, Value) {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}\n{self}"));
            (value["key"].as_str().unwrap_or_default().to_owned(), value)
        };
        self.stdout.lines().map(receipt).collect()
    }

    /// The receipt of one key.
    #[track_caller]
    pub(crate) fn receipt(&self, key: &str) -> Value {
        self.receipts().remove(key).unwrap_or_else(|| panic!("no receipt of {key:?}\n{self}"))
    }

    /// `status records/accepted/quarantined` of each key, a line each.
    #[track_caller]
    pub(crate) fn told(&self) -> String {
        let line = |(key, receipt): (&String, &Value)| {
            let status = receipt["status"].as_str().unwrap_or_default();
            format!("{key}: {status} {}/{}/{}", receipt["records"], receipt["accepted"], receipt["quarantined"])
        };
        self.receipts().iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Display for Done {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(formatter, "command: {command}\nstatus: {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// The lake of `pintail demo`, made once while tests that look at it run; none of them may change it.
pub(crate) fn demo() -> Arc<Lake> {
    static SHARED: Mutex<Weak<Lake>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(lake) = shared.upgrade() {
        return lake;
    }
    let lake = Arc::new(Lake { folder: tempfile::tempdir().expect("a temporary folder") });
    lake.pintail(&["demo", "lake"]).exits(0);
    *shared = Arc::downgrade(&lake);
    lake
}
