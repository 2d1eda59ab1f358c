//! What the tests run from Python packages, in an environment below cargo's target folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// The folder of the environment, made when it is first needed.
fn environment() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_BIN_EXE_bootstrap")).ancestors().nth(2).expect("cargo's target folder");
        let script = Path::new(SCRIPTS).join("environment.py");
        let output = Command::new("python3").arg(script).arg(target).arg("emulators.txt").output();
        let output = output.unwrap_or_else(|error| panic!("python3 cannot be started: {error}"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "environment.py: {out}{err}");
        Path::new(out.trim()).ancestors().nth(2).expect("the folder of bin/python").to_owned()
    })
}

/// MiniStack, an emulator of S3 and SQS.
pub(crate) fn ministack() -> PathBuf {
    environment().join("bin/ministack")
}

/// AWS's Runtime Interface Emulator.
pub(crate) fn runtime_interface_emulator() -> PathBuf {
    let libraries = environment().join("lib").read_dir().expect("the folder lib").flatten().map(|entry| entry.path());
    let binary = |python: PathBuf| python.join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64");
    let binary = libraries.map(binary).find(|binary| binary.exists()).expect("the wheel holds the emulator");
    std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).expect("make it executable");
    binary
}
