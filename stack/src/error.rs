//! Everything that can keep a command from its end.

use std::{io, path::PathBuf, process::ExitStatus};

use crate::{cfn, options, rules::Finding};

/// Why a command did not reach its end. The cause, where there is one, is the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stages file.
    #[error("stages file")]
    Options(#[from] options::Error),
    /// The options make no whole template.
    #[error("make the template")]
    Template(#[from] cfn::template::Errors),
    /// A file that could not be read or written.
    #[error("{action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{what} is not the JSON that was expected")]
    Json {
        /// Whose answer, or which file.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// An answer without a member that belongs to it.
    #[error("`{command}` answered without {member}: {answer}")]
    Answer {
        /// The command.
        command: String,
        /// What is missing.
        member: &'static str,
        /// The answer.
        answer: String,
    },
    /// The committed template is another one.
    #[error("{} is not what the code says; `cargo stack synth` writes it anew\n{difference}", path.display())]
    Stale {
        /// The committed file.
        path: PathBuf,
        /// Line by line.
        difference: String,
    },
    /// The template breaks rules.
    #[error("the template breaks {} of our rules:\n{}", findings.len(), lines(findings))]
    Rules {
        /// Each break.
        findings: Vec<Finding>,
    },
    /// A program that could not be started.
    #[error("start `{command}`: is {program} installed?")]
    Start {
        /// The program.
        program: String,
        /// The whole command.
        command: String,
        /// Why it did not start.
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{command}` failed ({status}): {}", said(stderr))]
    Failed {
        /// The whole command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// What we do not do, and why.
    #[error("{0}")]
    Refused(String),
    /// A change that AWS does not take.
    #[error("AWS refuses the change of stack {stack}: {reason}{}", because(findings, *hint))]
    Change {
        /// The stack.
        stack: String,
        /// Why, or only that there are findings.
        reason: String,
        /// What AWS found.
        findings: Vec<String>,
        /// What may help.
        hint: Option<&'static str>,
    },
    /// A deployment that did not end well.
    #[error("stack {stack} is {status}{}", because(reasons, *hint))]
    Deployment {
        /// The stack.
        stack: String,
        /// Where it ended.
        status: String,
        /// The first failures, oldest first.
        reasons: Vec<String>,
        /// What may help.
        hint: Option<&'static str>,
    },
    /// The function itself failed when it was invoked.
    #[error("deployed, but the refresh of gold failed: {answer}")]
    Refresh {
        /// What the function said.
        answer: String,
    },
    /// Something took longer than we wait.
    #[error("gave up after {seconds} s: {waiting}")]
    Patience {
        /// How long we waited.
        seconds: u64,
        /// For what.
        waiting: String,
    },
}

impl Error {
    /// 1 where what was asked for was refused, by us or by AWS; 2 where something unexpected came in between.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start { .. } | Self::Json { .. } | Self::Answer { .. } | Self::Patience { .. } => 2,
            _ => 1,
        }
    }
}

fn said(stderr: &str) -> &str {
    let said = stderr.trim();
    if said.is_empty() { "it said nothing" } else { said }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {finding}")).collect::<Vec<_>>().join("\n")
}

fn because(reasons: &[String], hint: Option<&str>) -> String {
    let reasons = reasons.iter().map(|reason| format!("\n  {reason}"));
    reasons.chain(hint.map(|hint| format!("\n  hint: {hint}"))).collect()
}
