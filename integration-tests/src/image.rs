//! What our image is built from: `bootstrap` as cargo built it, and a project.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error,
    docker::docker,
    images::LAMBDA,
    tools::{programs, run, workspace},
};

/// Where the Dockerfile looks for a program that is built already.
const BOOTSTRAP: &str = "target/image/bootstrap";

/// A folder that an image is built from.
#[derive(Debug)]
pub struct Context {
    folder: PathBuf,
    base: String,
}

impl Context {
    /// Fills the folder, with the project of the workspace.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn fill(folder: PathBuf) -> Result<Self, Error> {
        let bootstrap = folder.join(BOOTSTRAP);
        let parent = bootstrap.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
        run(Command::new("strip").arg("-o").arg(&bootstrap).arg(programs()?.join("bootstrap")))?;
        let parts = ["Dockerfile", ".dockerignore", "pipeline"].map(|part| workspace().join(part));
        run(Command::new("cp").arg("--recursive").args(parts).arg(&folder))?;
        Ok(Self { folder, base: LAMBDA.whole() })
    }

    /// The folder of the project that goes into the image; a story may change it.
    pub fn project(&self) -> PathBuf {
        self.folder.join("pipeline")
    }

    /// How our deployer is told of it.
    pub fn words(&self) -> [&str; 6] {
        ["--context", text(&self.folder), "--bootstrap", BOOTSTRAP, "--base", &self.base]
    }

    /// Builds the image; gives its id, which is the name of its content. It goes with the cloud of that address.
    ///
    /// # Errors
    /// When docker refuses.
    pub fn build(&self, address: &str) -> Result<String, Error> {
        let tag = format!("{address}/pintail:stories");
        let (base, bootstrap) = (format!("BASE={}", self.base), format!("BOOTSTRAP={BOOTSTRAP}"));
        let target = ["build", "--quiet", "--target", "prebuilt", "--tag", &tag];
        docker(&[&target[..], &["--build-arg", &base, "--build-arg", &bootstrap, text(&self.folder)]].concat())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
