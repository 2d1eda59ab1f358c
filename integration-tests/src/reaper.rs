//! Whatever a cloud started and others started through it is removed, when it is dropped and when the tests die.
//!
//! A lake that stories share is never dropped, and a killed test drops nothing. So a process of its own waits at the end of a pipe.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

/// Removes what is on a network, the images of a registry and of an account, and a folder. Waits for that when it is dropped.
#[derive(Debug)]
pub(crate) struct Reaper(Child);

impl Reaper {
    /// The reaper of a cloud: its network, its address (which names its registry too) and its account.
    pub(crate) fn of((network, address, account): (&str, &str, &str), folder: &Path) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("reaper.sh"), "reaper.sh", network, address, account]).arg(folder);
        // In a group of its own, so that an interrupt at the terminal ends the tests and not it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|source| Error::Start { command: format!("{command:?}"), source })?;
        Ok(Self(child))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // A failure leaves something behind and tells nothing about the story.
        let _ = self.0.wait();
    }
}
