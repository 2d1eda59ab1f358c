//! What a person agrees to, at the terminal.

use std::io::{IsTerminal, Write, stdin};

use crate::{change::Proposal, cli::Approval, error::Error, session::Session};

/// Shows the change; goes on where it needs no approval or gets it.
pub(crate) fn approve(session: &Session, proposal: &Proposal, approval: Approval) -> Result<(), Error> {
    session.progress.say(&proposal.difference.to_string());
    let asks = match approval {
        Approval::Never => false,
        Approval::Any => true,
        Approval::Broadening => proposal.difference.is_dangerous(),
    };
    if !asks || agreed()? {
        return Ok(());
    }
    proposal.throw_away()?;
    let why = if stdin().is_terminal() {
        "not approved"
    } else {
        "there is no terminal to approve it on: see --require-approval"
    };
    // Not "nothing was changed": an import may have gone before.
    Err(Error::Refused(format!("this change was not made: {why}")))
}

fn agreed() -> Result<bool, Error> {
    Ok(stdin().is_terminal() && asked("Change the stack so? [y/N] ")? == "y")
}

/// Goes on where the stack's name is said: on the command line, or at the terminal.
pub(crate) fn confirm(name: &str, said: Option<&str>) -> Result<(), Error> {
    let answer = match said {
        Some(said) => said.to_owned(),
        None if stdin().is_terminal() => asked(&format!("Type the stack's name to go on ({name}): "))?,
        None => return Err(Error::Refused(format!("there is no terminal to confirm on: --confirm {name}"))),
    };
    if answer == name {
        Ok(())
    } else {
        Err(Error::Refused(format!("nothing was deleted: {answer:?} is not {name:?}")))
    }
}

/// The answer of the person at the terminal.
fn asked(question: &str) -> Result<String, Error> {
    let failed = |source| Error::File { action: "ask on", path: "the terminal".into(), source };
    let mut answer = String::new();
    std::io::stderr().write_all(question.as_bytes()).map_err(failed)?;
    stdin().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().to_owned())
}
