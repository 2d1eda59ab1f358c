//! A lake in buckets, with `pintail` processes at work on it, each behind a proxy of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use crate::delta::Tables;
use crate::faults::Fault;
use crate::files::File;
use crate::oracle::Oracle;
use crate::proxy::{Plan, Proxy, Seen};
use crate::server::{BUCKETS, Server, path_of};

/// The project.
pub(crate) const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/convergence-project");

const ACCESS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];

/// Runs until the work must be done, when nothing goes wrong any more.
const PATIENCE: usize = 4;

/// A lake and its processes.
pub(crate) struct World<'s> {
    server: &'s Server,
    /// The prefix of its zones.
    name: String,
    folder: TempDir,
    /// What the local copy of the lake holds: key to `ETag`.
    copied: BTreeMap<PathBuf, String>,
    processes: AtomicU64,
    /// How much of the folder for temporary files a process may use, in MiB.
    pub(crate) temporary: Option<u64>,
    /// How many files a process may have open, connections too.
    pub(crate) open: u32,
}

/// A process at work.
pub(crate) struct Running {
    command: String,
    proxy: Proxy,
    out: PathBuf,
    error: PathBuf,
}

/// A process that ended.
pub(crate) struct Done {
    command: String,
    /// `None` when it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    error: String,
    pub(crate) seen: Vec<Seen>,
}

impl<'s> World<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(1);
        let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
        for name in ["output", "lake", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("a new folder takes folders");
        }
        let name = format!("w{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        Self {
            server,
            name,
            folder,
            copied: BTreeMap::new(),
            processes: AtomicU64::new(0),
            temporary: None,
            open: 1024,
        }
    }

    /// The prefix of its zones.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A folder for what a test needs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The variables of a function that works here.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let zone = |bucket: &str| format!("s3://{bucket}/{}", self.name);
        let mut variables =
            vec![("PINTAIL_RAW", zone("raw")), ("PINTAIL_SILVER", zone("silver")), ("PINTAIL_GOLD", zone("gold"))];
        variables.push(("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.server.port)));
        variables.extend(ACCESS.map(|(name, value)| (name, value.to_owned())));
        variables.push(("TMPDIR", self.folder.path().join("tmp").display().to_string()));
        variables
    }

    pub(crate) fn write(&self, file: &File) {
        self.server.put(&self.raw(&file.key), file.bytes());
    }

    pub(crate) fn remove(&self, key: &str) {
        self.server.remove(&self.raw(key));
    }

    fn raw(&self, key: &str) -> String {
        path_of("raw", &format!("{}/{key}", self.name))
    }

    /// Starts a process on the lake and comes back at once.
    pub(crate) fn start(&self, (arguments, project): (&[&str], &str), plan: Plan) -> Running {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.folder.path().join("output").join(format!("{number}.{kind}"));
        let (out, error) = (file("out"), file("error"));
        let proxy = Proxy::start(self.server.port, plan);
        let zones = BUCKETS.map(|bucket| format!("s3://{bucket}/{}", self.name)).join(",");
        let mut command = Command::new("/bin/sh");
        let limited = format!("ulimit -n {}; exec \"$0\" \"$@\"", self.open);
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_pintail")]).args(arguments).args(["--lake", &zones]);
        if !project.is_empty() {
            command.args(["--project", project]);
        }
        command.env_clear().env("TMPDIR", self.folder.path().join("tmp"));
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port));
        command.envs(ACCESS);
        command.envs([("PINTAIL_THREADS", "2"), ("PINTAIL_MEMORY_MB", "256")]).stdin(Stdio::null());
        command.envs(self.temporary.map(|mebibytes| ("PINTAIL_TEMP_MB", mebibytes.to_string())));
        command.stdout(fs::File::create(&out).expect("a file for stdout"));
        command.stderr(fs::File::create(&error).expect("a file for stderr"));
        proxy.watch(command.spawn().expect("pintail starts"));
        Running { command: format!("pintail {} ({plan:?})", arguments.join(" ")), proxy, out, error }
    }

    /// Ingests all that is new or changed while something goes wrong.
    pub(crate) fn ingest(&self, plan: Plan) -> Done {
        self.start_ingest(plan).finish()
    }

    /// As [`World::ingest`], and comes back at once.
    pub(crate) fn start_ingest(&self, plan: Plan) -> Running {
        self.start((&["ingest"], PROJECT), plan)
    }

    /// Ingests undisturbed until a run says that all is done.
    pub(crate) fn complete(&self) -> Result<usize, String> {
        for runs in 1..=PATIENCE {
            let done = self.ingest(Plan::Calm);
            done.ended_well()?;
            if done.is_complete() {
                return Ok(runs);
            }
            if runs == PATIENCE {
                return Err(format!("{PATIENCE} undisturbed runs were not enough: {done}"));
            }
        }
        Ok(PATIENCE)
    }

    /// Compares the tables with what the raw files say: rows that are missing (-) or too many (+).
    pub(crate) fn differences(&mut self) -> Result<String, String> {
        self.copy();
        let lake = self.folder.path().join("lake");
        let tables = Tables::read(&lake)?;
        Ok(Oracle::new(&lake.join("raw")).differences(&tables))
    }

    /// The tables must be those of the raw files.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let wrong = self.differences()?;
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The audit must agree, and a further run must find nothing to do and commit nothing.
    pub(crate) fn check_rest(&mut self) -> Result<(), String> {
        let audit = self.start((&["audit"], PROJECT), Plan::Calm).finish();
        if audit.code != Some(0) {
            return Err(audit.to_string());
        }
        let before = self.versions()?;
        let second = self.ingest(Plan::Calm);
        if !second.is_complete() || !second.out.starts_with("0 files: 0 records = 0 accepted + 0 quarantined") {
            return Err(format!("a further run found something to do: {second}"));
        }
        let after = self.versions()?;
        if before == after { Ok(()) } else { Err(format!("a further run committed: {before:?} became {after:?}")) }
    }

    pub(crate) fn versions(&mut self) -> Result<BTreeMap<String, u64>, String> {
        self.copy();
        Ok(Tables::read(&self.folder.path().join("lake"))?.versions())
    }

    /// Copies what is new in the buckets to a folder, by plain requests.
    fn copy(&mut self) {
        let mut gone = std::mem::take(&mut self.copied);
        for bucket in BUCKETS {
            let prefix = format!("{}/", self.name);
            for object in self.server.list(bucket, &prefix) {
                let below = object.key.strip_prefix(&prefix).expect("a listing keeps to its prefix");
                let path = self.folder.path().join("lake").join(bucket).join(below);
                if gone.remove(&path).as_ref() != Some(&object.etag) {
                    write(&path, &self.server.get(&path_of(bucket, &object.key)));
                }
                self.copied.insert(path, object.etag);
            }
        }
        for path in gone.keys() {
            fs::remove_file(path).expect("a copy can be removed");
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("an object stands in a bucket")).expect("the copy takes folders");
    fs::write(path, bytes).expect("the copy takes files");
}

impl Running {
    /// Whether the process falls asleep before it ends.
    pub(crate) fn falls_asleep(&self) -> bool {
        self.proxy.falls_asleep()
    }

    /// Wakes the process.
    pub(crate) fn wake(&self) {
        self.proxy.wake();
    }

    /// Waits for the end.
    pub(crate) fn finish(self) -> Done {
        let code = self.proxy.wait();
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("the output is there")).into_owned();
        Done { command: self.command, code, out: read(&self.out), error: read(&self.error), seen: self.proxy.seen() }
    }
}

impl Done {
    /// Whether it says that all is done.
    pub(crate) fn is_complete(&self) -> bool {
        self.code == Some(0)
    }

    /// The first thing that went wrong on its way.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.seen.iter().find_map(|seen| seen.fault)
    }

    /// It is done, or says what went wrong, or was killed; each body that it sent came with a checksum.
    pub(crate) fn ended_well(&self) -> Result<(), String> {
        let unchecked = self.seen.iter().find(|seen| !seen.is_checked);
        if let Some(seen) = unchecked {
            return Err(format!("a body was sent without a checksum: {seen}"));
        }
        let killed = matches!(self.fault(), Some(Fault::KilledBefore | Fault::KilledAfter));
        let well = match self.code {
            None => killed,
            Some(code) => code <= 1 && !self.error.contains("panicked"),
        };
        if well { Ok(()) } else { Err(self.to_string()) }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} ended with {:?}", self.command, self.code)?;
        writeln!(formatter, "stdout: {}\nstderr: {}\nrequests:", self.out, self.error)?;
        self.seen.iter().enumerate().try_for_each(|(number, seen)| writeln!(formatter, "{:5} {seen}", number + 1))
    }
}
