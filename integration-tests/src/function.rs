//! The function in a container of its own, under the Runtime Interface Emulator of its base image: for a cloud that runs
//! no image functions. It is started with the first invocation, and again with the next one after its death.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Mutex;

use crate::{Error, docker::docker, eventually, http::post};

const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// Where the emulator in the container listens.
const PORT: &str = "8080";

/// How long it may take until that one answers.
const START: Duration = Duration::from_secs(30);

/// An image with what it needs to run.
#[derive(Debug)]
pub struct Function {
    image: String,
    network: String,
    environment: Vec<(String, String)>,
    /// As Lambda, it has one container for one invocation at a time.
    running: Mutex<Option<Arc<Container>>>,
}

#[derive(Debug)]
struct Container {
    id: String,
    port: u16,
}

impl Function {
    /// A function that is not running yet.
    pub fn new(image: String, network: String, environment: Vec<(String, String)>) -> Self {
        Self { image, network, environment, running: Mutex::default() }
    }

    /// What it answers.
    ///
    /// # Errors
    /// When it cannot be started, or dies before it answers.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, Error> {
        let container = self.container().await?;
        match post(container.port, INVOCATIONS, &payload.to_string()).await {
            Ok((200, body)) => Ok(serde_json::from_str(&body).unwrap_or(Value::String(body))),
            Ok((_, said)) => Err(self.died(&container, said).await),
            Err(error) => Err(self.died(&container, error.to_string()).await),
        }
    }

    /// Kills it (SIGKILL), whatever it is doing.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self) -> Result<(), Error> {
        let running = self.running.lock().await.clone();
        let container = running.ok_or_else(|| Error::Died { said: "it was not running".to_owned() })?;
        docker(&["kill", "--signal", "KILL", &container.id]).map(drop)
    }

    async fn died(&self, container: &Container, said: String) -> Error {
        self.running.lock().await.take();
        let removed = docker(&["rm", "--force", &container.id]);
        removed.map_or_else(|error| error, |_| Error::Died { said })
    }

    async fn container(&self) -> Result<Arc<Container>, Error> {
        let mut running = self.running.lock().await;
        if let Some(container) = running.clone() {
            return Ok(container);
        }
        let container = Arc::new(self.start()?);
        // Docker listens before the emulator does, and hangs up.
        let awake = || async { Ok(post(container.port, "/", "").await.map_err(|error| error.to_string())) };
        eventually(("the function listens", START), awake, Result::is_ok).await.map(drop)?;
        *running = Some(container.clone());
        Ok(container)
    }

    fn start(&self) -> Result<Container, Error> {
        let publish = format!("127.0.0.1::{PORT}");
        let mut words =
            ["run", "--detach", "--read-only", "--tmpfs", "/tmp", "--network", &self.network, "--publish", &publish]
                .map(str::to_owned)
                .to_vec();
        words.extend(self.environment.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]));
        words.push(self.image.clone());
        let id = docker(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        let address = docker(&["port", &id, PORT])?;
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        port.map(|port| Container { id, port }).ok_or(Error::Died { said: format!("its port is {address:?}") })
    }
}
