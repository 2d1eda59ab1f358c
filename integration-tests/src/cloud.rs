//! A cloud in a container: an emulator that is up, with an account of its own, and the tools that reach it.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use clap::Parser;
use serde_json::Value;
use testcontainers_modules::{
    localstack::LocalStack,
    testcontainers::{
        ContainerAsync, ContainerRequest, GenericImage, Image, ImageExt, TestcontainersError,
        core::{IntoContainerPort, Mount, WaitFor},
        runners::AsyncRunner,
    },
};
use uuid::Uuid;

use crate::{
    Error, docker,
    images::{LOCALSTACK, MINISTACK},
    reaper::Reaper,
    tools,
};

/// Where emulators listen.
pub(crate) const PORT: u16 = 4566;
const REGION: &str = "eu-central-1";
const SECRET: &str = "secret";

/// An emulator that is up. Dropping it removes it, the containers that it started, and the images that were pushed to it.
#[derive(Debug)]
pub struct Cloud {
    _emulator: Emulator,
    _reaper: Reaper,
    folder: PathBuf,
    /// The network of its containers; also the emulator's name on it.
    pub network: String,
    /// The emulator's address from this machine: `127.0.0.1:PORT`.
    pub address: String,
    /// The account that the tools act in; no other cloud has the same.
    pub account: String,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held only to be dropped")]
enum Emulator {
    LocalStack(ContainerAsync<LocalStack>),
    MiniStack(ContainerAsync<GenericImage>),
}

/// What tells a cloud from all others.
struct Names {
    network: String,
    account: String,
}

impl Names {
    fn new() -> Self {
        let unique = Uuid::new_v4();
        Self { network: format!("pintail-{unique}"), account: format!("{:012}", unique.as_u128() % 1_000_000_000_000) }
    }
}

impl Cloud {
    /// `MiniStack`: image functions run, change sets roll back, the registry takes pushes. Everybody may do everything.
    ///
    /// # Errors
    /// When there is no engine, or the emulator does not come up.
    pub async fn ministack() -> Result<Self, Error> {
        Self::some_ministack("false").await
    }

    /// `MiniStack` where roles have the rights of their policies, and no others.
    ///
    /// # Errors
    /// As [`Cloud::ministack`].
    pub async fn strict_ministack() -> Result<Self, Error> {
        Self::some_ministack("true").await
    }

    async fn some_ministack(has_rights: &str) -> Result<Self, Error> {
        docker::engine()?;
        let names = Names::new();
        let (name, tag) = MINISTACK.name_and_tag();
        let request = GenericImage::new(name, tag)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_either_std("services available on port"))
            .with_mount(Mount::bind_mount("/var/run/docker.sock", "/var/run/docker.sock"))
            .with_env_var("AUTH", has_rights)
            // Also the account of whoever pushes to the registry, which knows no credentials.
            .with_env_var("MINISTACK_ACCOUNT_ID", &names.account)
            .with_env_var("DOCKER_NETWORK", &names.network)
            .with_env_var("AWS_ENDPOINT_URL", format!("http://{}:{PORT}", names.network));
        let (container, port) = start(request, &names).await.map_err(MINISTACK.failed())?;
        Self::new(Emulator::MiniStack(container), names, port)
    }

    /// `LocalStack`: a strict S3 and SQS. It runs no image functions.
    ///
    /// # Errors
    /// When there is no engine, or the emulator does not come up.
    pub async fn localstack() -> Result<Self, Error> {
        docker::engine()?;
        let names = Names::new();
        let (name, tag) = LOCALSTACK.name_and_tag();
        let request = LocalStack::default().with_name(name).with_tag(tag);
        let (container, port) = start(request, &names).await.map_err(LOCALSTACK.failed())?;
        Self::new(Emulator::LocalStack(container), names, port)
    }

    fn new(emulator: Emulator, Names { network, account }: Names, port: u16) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?.keep();
        let address = format!("127.0.0.1:{port}");
        let reaper = Reaper::of((&network, &address, &account), &folder)?;
        let cloud = Self { _emulator: emulator, _reaper: reaper, folder, network, address, account };
        cloud.write_cli()?;
        Ok(cloud)
    }

    /// What a program needs to act in this cloud, from where the emulator's address is this.
    pub fn access(&self, address: &str) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            // The emulators take twelve digits for the account.
            ("AWS_ACCESS_KEY_ID", self.account.clone()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
    }

    /// An aws CLI that reaches this cloud and nothing else: the environment of this process is never written.
    fn write_cli(&self) -> Result<(), Error> {
        let mut script =
            "#!/bin/sh\nexport AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null\n".to_owned();
        for (name, value) in self.access(&self.address) {
            let _ = writeln!(script, "export {name}={value}");
        }
        let _ = writeln!(script, "export AWS_DEFAULT_REGION={REGION}\nexec {} \"$@\"", tools::aws_cli()?.display());
        let path = self.cli();
        fs::write(&path, script).map_err(Error::file(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::file(&path))
    }

    /// The aws CLI of this cloud.
    pub fn cli(&self) -> PathBuf {
        self.folder.join("aws")
    }

    /// A place for a story's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
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

    /// Its S3. A client belongs to the runtime that it is made in.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::from_static(REGION))
            .credentials_provider(self.credentials())
            .force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Its SQS. A client belongs to the runtime that it is made in.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::from_static(REGION))
            .credentials_provider(self.credentials());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.account, SECRET, None, None, "stories")
    }
}

async fn start<I: Image>(
    request: ContainerRequest<I>,
    Names { network, .. }: &Names,
) -> Result<(ContainerAsync<I>, u16), TestcontainersError> {
    let container = request.with_container_name(network).with_network(network).start().await?;
    let port = container.get_host_port_ipv4(PORT).await?;
    Ok((container, port))
}
