//! The container image, built as the sealed build does it: with the program that is there already.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::batch::one_of_everything;
use crate::emulator::Emulator;
use crate::http::request;
use crate::process::{Process, free_port};
use crate::world::World;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What a program says; it must end with 0.
#[track_caller]
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("start {program}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}: {out}{err}", arguments.join(" "));
    out.trim().to_owned()
}

/// Builds the image out of a folder that holds what it needs; returns its id.
fn build() -> String {
    let context = tempfile::tempdir().expect("a temporary folder");
    let below = |path: &str| context.path().join(path).display().to_string();
    fs::create_dir_all(context.path().join("target/image")).expect("a folder");
    said("strip", &["-o", &below("target/image/bootstrap"), env!("CARGO_BIN_EXE_bootstrap")]);
    for file in ["Dockerfile", ".dockerignore"] {
        fs::copy(Path::new(ROOT).join(file), context.path().join(file)).expect("copy the file");
    }
    said("cp", &["-r", &format!("{ROOT}/pipeline"), &below("pipeline")]);
    let argument = "BOOTSTRAP=target/image/bootstrap";
    said("docker", &["build", "--quiet", "--target", "prebuilt", "--build-arg", argument, &below("")])
}

/// A container that goes with the test.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        Command::new("docker").args(["rm", "--force", &self.0]).output().ok();
    }
}

#[test]
#[ignore = "needs Docker"]
fn the_image_answers_a_batch_on_a_root_that_is_read_only() {
    let (world, image, port) = (World::buckets(), build(), free_port());
    let container = Container(format!("pintail-function-{port}"));
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--read-only", "--tmpfs", "/tmp", "--add-host", "host.docker.internal:host-gateway"]);
    command.arg("--publish").arg(format!("127.0.0.1:{port}:8080")).args(["--name", &container.0]);
    let own =
        world.variables().into_iter().filter(|(name, _)| name.starts_with("PINTAIL") && *name != "PINTAIL_PROJECT");
    let size = [("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024".to_owned())];
    for (name, value) in own.chain(world.access("host.docker.internal")).chain(size) {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    let process = Process::start("the image", command.arg(&image)).listens(port);
    // Docker listens before the program does.
    while request(port, ("GET", "/"), b"").is_ok_and(|(status, _)| status == 0) {
        std::thread::sleep(Duration::from_millis(50));
    }
    one_of_everything(&world, &Emulator::at(port, process));
}
