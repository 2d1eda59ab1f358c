//! A program that runs beside a test and ends with it; what it writes is kept for the message of a failure.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program at work.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
    name: &'static str,
}

impl Process {
    /// Starts a program in a folder of its own.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file for the log");
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log twice")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        Self { child, folder, name }
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Waits until it listens on a port.
    #[track_caller]
    pub(crate) fn listens(mut self, port: u16) -> Self {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.try_wait().expect("look at the child");
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "{} does not listen:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}
