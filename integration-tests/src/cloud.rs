//! A cloud in a container: an emulator that is up, with an account of its own, and the tools that reach it.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;
use testcontainers_modules::testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    core::{IntoContainerPort, Mount, WaitFor},
    runners::AsyncRunner,
};
use uuid::Uuid;

use crate::{Error, docker, images::MINISTACK, tools};

const PORT: u16 = 4566;
const REGION: &str = "eu-central-1";

/// An emulator that is up. Dropping it removes it, the containers that it started, and the images that were pushed to it.
#[derive(Debug)]
pub struct Cloud {
    container: ContainerAsync<GenericImage>,
    network: String,
    folder: TempDir,
    /// The emulator's address from this machine: `127.0.0.1:PORT`.
    pub address: String,
    /// The account that the tools act in; no other cloud has the same.
    pub account: String,
}

impl Cloud {
    /// `MiniStack`: image functions run, change sets roll back, the registry takes pushes.
    ///
    /// # Errors
    /// When there is no engine, or the emulator does not come up.
    pub async fn ministack() -> Result<Self, Error> {
        docker::engine()?;
        let unique = Uuid::new_v4();
        let network = format!("pintail-{unique}");
        let account = format!("{:012}", unique.as_u128() % 1_000_000_000_000);
        let (name, tag) = MINISTACK.name_and_tag();
        let started = |source| Error::Container { image: MINISTACK.whole(), source };
        let container = GenericImage::new(name, tag)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_either_std("services available on port"))
            .with_container_name(&network)
            .with_network(&network)
            .with_mount(Mount::bind_mount("/var/run/docker.sock", "/var/run/docker.sock"))
            // Also the account of whoever pushes to the registry, which knows no credentials.
            .with_env_var("MINISTACK_ACCOUNT_ID", &account)
            .with_env_var("DOCKER_NETWORK", &network)
            .with_env_var("AWS_ENDPOINT_URL", format!("http://{network}:{PORT}"))
            .start()
            .await
            .map_err(started)?;
        let port = container.get_host_port_ipv4(PORT).await.map_err(started)?;
        let folder = tempfile::tempdir().map_err(|source| Error::File { path: "a folder".to_owned(), source })?;
        let cloud = Self { container, network, folder, address: format!("127.0.0.1:{port}"), account };
        cloud.write_cli()?;
        Ok(cloud)
    }

    /// An aws CLI that reaches this cloud and nothing else: the environment of this process is never written.
    fn write_cli(&self) -> Result<(), Error> {
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            // The emulator takes twelve digits for the account.
            ("AWS_ACCESS_KEY_ID", self.account.clone()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ] {
            let _ = writeln!(script, "export {name}={value}");
        }
        let _ = writeln!(script, "exec {} \"$@\"", tools::aws_cli()?.display());
        let path = self.cli();
        let file = |source| Error::File { path: path.display().to_string(), source };
        fs::write(&path, script).map_err(file)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(file)
    }

    /// The aws CLI of this cloud.
    pub fn cli(&self) -> PathBuf {
        self.folder.path().join("aws")
    }

    /// A place for a story's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the aws CLI answers.
    ///
    /// # Errors
    /// When it fails.
    pub fn aws(&self, arguments: &[&str]) -> Result<Value, Error> {
        let mut command = Command::new(self.cli());
        let answer = tools::run(command.args(arguments).args(["--output", "json"]))?;
        if answer.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).map_err(|source| Error::Json { command: format!("{command:?}"), answer, source })
    }

    /// What our deployer gives, in this cloud.
    ///
    /// # Errors
    /// With all that it says.
    pub fn stack(&self, arguments: &[&str]) -> Result<Value, Error> {
        let cli = self.cli();
        let stages = tools::workspace().join("stack.toml");
        let mut words = vec!["stack", "--json", "--registry", &self.address];
        let (cli, stages) = (cli.to_string_lossy(), stages.to_string_lossy());
        words.extend(["--aws", &cli]);
        if !arguments.contains(&"--stages") {
            words.extend(["--stages", &stages]);
        }
        words.extend(arguments);
        let wanted = stack::cli::Cli::try_parse_from(&words).map_err(|error| Error::Stack(error.to_string()))?;
        let mut out = vec![];
        stack::run(&wanted, &mut out).map_err(|error| Error::Stack(error.to_string()))?;
        let answer = String::from_utf8_lossy(&out).into_owned();
        serde_json::from_str(&answer).map_err(|source| Error::Json { command: words.join(" "), answer, source })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The container itself is removed by its own drop; what follows is what others made through it.
        let removed = docker::remove_containers(&self.network, self.container.id())
            .and_then(|()| docker::remove_images(&format!("{}/*", self.address)))
            .and_then(|()| docker::remove_images(&format!("{}.dkr.ecr.*/*", self.account)));
        if let Err(error) = removed {
            report(&error);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a drop has no other way to tell")]
fn report(error: &Error) {
    eprintln!("not everything of the cloud was removed: {error}");
}
