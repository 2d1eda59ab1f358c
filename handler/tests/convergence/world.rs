//! A lake in a folder of its own, with `pintail` processes at work on it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::delta::Tables;
use crate::files::File;
use crate::oracle::Oracle;

/// A lake and its processes.
pub(crate) struct World {
    folder: TempDir,
    processes: AtomicU64,
}

/// One `pintail ingest` to come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// The keys named; none for all.
    pub(crate) keys: Vec<String>,
    pub(crate) again: bool,
    /// Abort before the n-th write.
    pub(crate) fault: Option<u64>,
    /// SIGKILL after so long.
    pub(crate) kill_after: Option<Duration>,
}

impl Run {
    /// All that is new or changed, undisturbed.
    pub(crate) fn whole() -> Self {
        Self::default()
    }
}

/// A process at work.
pub(crate) struct Process {
    command: String,
    out: PathBuf,
    error: PathBuf,
    ended: JoinHandle<ExitStatus>,
}

/// A process that ended.
pub(crate) struct Done {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
        for name in ["raw", "tmp", "output"] {
            fs::create_dir(folder.path().join(name)).expect("a new folder takes folders");
        }
        Self { folder, processes: AtomicU64::new(0) }
    }

    /// Another lake with the same files.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(self.folder.path(), copy.folder.path());
        copy
    }

    pub(crate) fn lake(&self) -> &Path {
        self.folder.path()
    }

    fn raw(&self, key: &str) -> PathBuf {
        self.folder.path().join("raw").join(key)
    }

    /// Writes in place, so that a reader may see half of it.
    pub(crate) fn write(&self, file: &File) {
        let path = self.raw(&file.key);
        fs::create_dir_all(path.parent().expect("a key stands below raw")).expect("raw takes folders");
        fs::write(path, file.bytes()).expect("raw takes files");
    }

    pub(crate) fn write_all(&self, files: &[File]) {
        for file in files {
            self.write(file);
        }
    }

    /// Writes beside and renames, so that a reader sees the old or the new.
    pub(crate) fn replace(&self, file: &File) {
        let beside = self.folder.path().join("tmp").join("arriving");
        fs::write(&beside, file.bytes()).expect("the folder takes files");
        let path = self.raw(&file.key);
        fs::create_dir_all(path.parent().expect("a key stands below raw")).expect("raw takes folders");
        fs::rename(beside, path).expect("raw takes files");
    }

    pub(crate) fn remove(&self, key: &str) {
        fs::remove_file(self.raw(key)).expect("the script removes files that are there");
    }

    pub(crate) fn touch(&self, key: &str) {
        let file =
            fs::File::options().append(true).open(self.raw(key)).expect("the script touches files that are there");
        file.set_modified(SystemTime::now()).expect("a file of ours takes a time");
    }

    /// Starts an ingest and comes back at once.
    pub(crate) fn spawn(&self, run: &Run) -> Process {
        let mut arguments = vec!["ingest".to_owned(), "--json".to_owned()];
        arguments.extend(run.again.then(|| "--again".to_owned()));
        self.start(&arguments, run)
    }

    fn start(&self, arguments: &[String], run: &Run) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.folder.path().join("output").join(format!("{number}.{kind}"));
        let (out, error) = (file("out"), file("error"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pintail"));
        command.args(arguments).arg("--lake").arg(self.lake());
        if arguments[0] != "tables" {
            command.arg("--project").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/convergence-project"));
        }
        command.args(&run.keys).current_dir(self.lake()).env("TMPDIR", self.folder.path().join("tmp"));
        command.env("PINTAIL_THREADS", "2").env("PINTAIL_MEMORY_MB", "256");
        if let Some(fault) = run.fault {
            command.env("PINTAIL_FAULT", fault.to_string());
        }
        command.stdin(Stdio::null());
        command
            .stdout(fs::File::create(&out).expect("a file for stdout"))
            .stderr(fs::File::create(&error).expect("a file for stderr"));
        let mut child = command.spawn().expect("pintail starts");
        let kill_at = run.kill_after.map(|delay| Instant::now() + delay);
        let ended = std::thread::spawn(move || {
            if let Some(moment) = kill_at {
                std::thread::sleep(moment.saturating_duration_since(Instant::now()));
                child.kill().expect("a child may be killed");
            }
            child.wait().expect("a child ends")
        });
        let disturbed = format!("{:?} {:?}", run.fault, run.kill_after);
        Process {
            command: format!("pintail {} {} (fault, kill: {disturbed})", arguments.join(" "), run.keys.join(" ")),
            out,
            error,
            ended,
        }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.start(&arguments, &Run::whole()).finish()
    }

    /// A plain ingest that has to succeed.
    pub(crate) fn ingest(&self) -> Done {
        let done = self.run(&["ingest"]);
        assert!(done.status.success(), "{done}");
        done
    }

    /// One plain ingest, and the tables must be those of the raw files; a second one must find nothing to do.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let last = self.run(&["ingest", "--json"]);
        succeeded(&last)?;
        let tables = Tables::read(self.lake())?;
        let wrong = Oracle::new(&self.lake().join("raw")).differences(&tables);
        if !wrong.is_empty() {
            return Err(format!("{wrong}\nafter {last}"));
        }
        succeeded(&self.run(&["audit"]))?;
        let second = self.run(&["ingest"]);
        succeeded(&second)?;
        if !second.out.starts_with("0 files: 0 records = 0 accepted + 0 quarantined") {
            return Err(format!("the second ingest found something to do: {second}"));
        }
        let versions = Tables::read(self.lake())?.versions();
        if versions != tables.versions() {
            return Err(format!("the second ingest committed: {:?} became {versions:?}\n{second}", tables.versions()));
        }
        Ok(())
    }
}

fn succeeded(done: &Done) -> Result<(), String> {
    if done.status.success() { Ok(()) } else { Err(done.to_string()) }
}

impl Process {
    /// Waits for the end.
    pub(crate) fn finish(self) -> Done {
        let status = self.ended.join().expect("the waiting thread ends");
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("the output is there")).into_owned();
        Done { command: self.command, status, out: read(&self.out), error: read(&self.error) }
    }
}

impl Done {
    pub(crate) fn receipts(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}")))
            .collect()
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        write!(
            formatter,
            "{} ended with {}\nstdout: {}\nstderr: {}",
            self.command,
            self.status,
            shown(&self.out),
            shown(&self.error)
        )
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder takes folders");
    for entry in fs::read_dir(from).expect("our folder can be listed") {
        let entry = entry.expect("our folder can be listed");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("an entry has a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a new folder takes files");
        }
    }
}
