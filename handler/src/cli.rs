//! The command line: words to a command, a command to its result on stdout and its exit code.

mod queues;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};

use crate::adopt;
use crate::audit;
use crate::check;
use crate::demo;
use crate::error::{Error, Result};
use crate::ingest::{self, Progress, Request, Summary};
use crate::lake::{Address, Lake, Place};
use crate::output::{self, Format};
use crate::plan;
use crate::project::Project;
use crate::query;
use crate::report::{self, Bars, Silent};
use crate::run::Run;
use crate::settings::Settings;
use crate::vacuum;

/// Raw files become trusted silver and gold tables.
#[derive(Debug, Parser)]
#[command(name = "pintail", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read what is new or changed in raw/ and refresh whatever gold is stale
    Ingest(IngestArguments),
    /// Ingest what events did not tell, or send it to the queue of the function
    Reconcile(queues::ReconcileArguments),
    /// Ask the tables, as silver.x and gold.y
    Query {
        #[command(flatten)]
        lake: LakeArgument,
        /// One SELECT
        #[arg(allow_hyphen_values = true)]
        sql: String,
        /// How rows are written
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// List the tables
    Tables(Listed),
    /// List what was loaded, by receipt
    History(Listed),
    /// Show rejected records with their reasons
    Quarantine(Listed),
    /// Recount the raw bytes and compare receipts, tables and, with a project, gold with its SQL
    Audit {
        #[command(flatten)]
        lake: LakeArgument,
        /// The project's folder
        #[arg(long)]
        project: Option<PathBuf>,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Print the contract in force of a silver table as a sources: block
    Contract {
        #[command(flatten)]
        lake: LakeArgument,
        /// The table's name
        table: String,
    },
    /// Remove unreferenced files older than the retention, and logs behind checkpoints
    Vacuum {
        #[command(flatten)]
        lake: LakeArgument,
        /// How long earlier versions stay readable: 7d, 12h, 30m, 0s
        #[arg(long, default_value = "7d", value_parser = duration)]
        retain: Duration,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what lies in a dead-letter queue and send it through again
    Replay(queues::ReplayArguments),
    /// Validate a project without data
    Check {
        /// The project's folder
        #[arg(long)]
        project: PathBuf,
    },
    /// Write a starter project
    Init {
        /// A new or empty folder
        folder: PathBuf,
    },
    /// Fill a lake with the sample and show what became of it
    Demo {
        /// The lake's folder
        #[arg(default_value = "pintail-demo")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct LakeArgument {
    /// The lake: a folder with raw/, silver/ and gold/, or `s3://raw,s3://silver,s3://gold`
    #[arg(long)]
    lake: Address,
}

#[derive(Debug, Args)]
struct Listed {
    #[command(flatten)]
    lake: LakeArgument,
    /// How rows are written
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
struct IngestArguments {
    #[command(flatten)]
    lake: LakeArgument,
    /// The project's folder; without one the zero-configuration rules apply to all
    #[arg(long)]
    project: Option<PathBuf>,
    /// One receipt per line, as JSON, and nothing else
    #[arg(long)]
    json: bool,
    /// Only say what would be read
    #[arg(long)]
    dry_run: bool,
    /// Read objects anew under the present contract
    #[arg(long)]
    again: bool,
    /// Keys below raw/; none: all that is new or changed
    keys: Vec<String>,
}

/// What a command needs from the process it runs in.
pub struct World<'a> {
    /// The settings.
    pub settings: Settings,
    /// The environment, for `env_var`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Standard output.
    pub out: &'a mut dyn Write,
}

/// Runs a command; returns the exit code (0 done, 1 something is wrong with data or lake, 2 usage).
///
/// # Errors
/// What kept the command from being done.
pub async fn run(cli: Cli, world: &mut World<'_>) -> Result<u8> {
    match cli.command {
        Command::Ingest(arguments) => ingest(arguments, world).await,
        Command::Query { lake, sql, format } => {
            let (schema, batches) = query::query(&existing(&lake.lake, world)?, &world.settings, &sql).await?;
            output::write(world.out, format, (&schema, &batches)).map(|()| 0)
        }
        Command::Tables(listed) => {
            let entries = query::tables(&existing(&listed.lake.lake, world)?).await?;
            let (schema, rows) = report::tables(&entries)?;
            output::write(world.out, listed.format, (&schema, &[rows])).map(|()| 0)
        }
        Command::History(listed) => {
            let lake = existing(&listed.lake.lake, world)?;
            let receipts = crate::receipt::all(&lake)?;
            let (schema, rows) = report::history(receipts)?;
            output::write(world.out, listed.format, (&schema, &[rows])).map(|()| 0)
        }
        Command::Quarantine(listed) => {
            let lake = existing(&listed.lake.lake, world)?;
            let (schema, batches) = query::query(&lake, &world.settings, include_str!("sql/quarantine.sql")).await?;
            output::write(world.out, listed.format, (&schema, &batches)).map(|()| 0)
        }
        Command::Audit { lake, project, json } => audit(&lake.lake, project.as_deref(), json, world).await,
        Command::Contract { lake, table } => {
            let block = adopt::sources_block(&existing(&lake.lake, world)?, &table).await?;
            say(world, &block).map(|()| 0)
        }
        Command::Vacuum { lake, retain, dry_run } => {
            let report = vacuum::vacuum(&existing(&lake.lake, world)?, retain, dry_run).await?;
            say(world, &report::vacuum(&report, dry_run)).map(|()| 0)
        }
        Command::Reconcile(arguments) => queues::reconcile(arguments, world).await,
        Command::Replay(arguments) => queues::replay(arguments, world).await,
        Command::Check { project } => check_project(&project, world),
        Command::Init { folder } => {
            demo::init(&folder)?;
            say(world, &report::initialised(&folder)).map(|()| 0)
        }
        Command::Demo { folder } => demonstrate(&folder, world).await,
    }
}

fn say(world: &mut World<'_>, text: &str) -> Result<()> {
    writeln!(world.out, "{}", text.trim_end_matches('\n')).map_err(Error::io("write", "standard output"))
}

/// A lake that is there; only `ingest` and `demo` make one.
fn existing(address: &Address, world: &World<'_>) -> Result<Arc<Lake>> {
    if let Place::Folder(raw) = &address.raw
        && !raw.is_dir()
    {
        let lake = raw.parent().unwrap_or(raw).display();
        return Err(Error::Usage(format!("{lake} is no lake: it has no folder raw/")));
    }
    Lake::open(address, &world.settings.scratch(), world.settings.fault).map(Arc::new)
}

fn load(project: &Path, world: &World<'_>, run_started_at: DateTime<Utc>) -> Result<Project> {
    Project::load(project, world.environment, run_started_at).map_err(Error::Project)
}

/// The project, or the zero-configuration rules.
fn load_or_empty(project: Option<&Path>, world: &World<'_>, run_started_at: DateTime<Utc>) -> Result<Project> {
    project.map_or_else(|| Ok(Project::empty()), |folder| load(folder, world, run_started_at))
}

async fn ingest(arguments: IngestArguments, world: &mut World<'_>) -> Result<u8> {
    let started_at = Utc::now();
    let project = load_or_empty(arguments.project.as_deref(), world, started_at)?;
    let lake = existing(&arguments.lake.lake, world)?;
    let request = Request { keys: arguments.keys, again: arguments.again, ..Request::default() };
    if arguments.dry_run {
        let plan = plan::plan(&lake, &project, (&request, false))?;
        let text = if arguments.json { report::planned_json(&plan)? } else { report::planned(&plan) };
        return say(world, &text).map(|()| 0);
    }
    let run = Run::begin(lake, project, world.settings.clone(), started_at)?;
    let summary = ingest::ingest(&run, &request, &*progress(arguments.json)).await?;
    tell(&summary, arguments.json, world)?;
    Ok(u8::from(summary.has_failures()))
}

/// A bar where somebody sees it.
fn progress(json: bool) -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() && !json { Box::new(Bars::new()) } else { Box::new(Silent) }
}

fn tell(summary: &Summary, json: bool, world: &mut World<'_>) -> Result<()> {
    let text = if json { report::json_lines(summary)? } else { report::summary(summary) };
    if json {
        for trouble in report::gold_troubles(summary) {
            tracing::warn!("{trouble}");
        }
    }
    if text.is_empty() { Ok(()) } else { say(world, &text) }
}

async fn audit(lake: &Address, folder: Option<&Path>, json: bool, world: &mut World<'_>) -> Result<u8> {
    let lake = existing(lake, world)?;
    let project = folder.map(|folder| load(folder, world, Utc::now())).transpose()?;
    let render = |time| load(folder.unwrap_or(Path::new(".")), world, time);
    let report = audit::audit(&lake, &world.settings, project.as_ref(), &render).await?;
    let text = if json { serde_json::to_string(&report).unwrap_or_default() } else { report.to_string() };
    say(world, &text)?;
    Ok(u8::from(!report.differences.is_empty()))
}

fn check_project(folder: &Path, world: &mut World<'_>) -> Result<u8> {
    let project = load(folder, world, Utc::now())?;
    let scratch = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let wrong = check::check(&project, &world.settings, scratch.path())?;
    let text = report::checked(&project, &wrong);
    say(world, &text)?;
    Ok(u8::from(!wrong.is_empty()))
}

async fn demonstrate(folder: &Path, world: &mut World<'_>) -> Result<u8> {
    let project = demo::write(folder)?;
    let started_at = Utc::now();
    let project = load(&project, world, started_at)?;
    let lake = Lake::open(&Address::folder(folder), &world.settings.scratch(), world.settings.fault)?;
    let run = Run::begin(Arc::new(lake), project, world.settings.clone(), started_at)?;
    let summary = ingest::ingest(&run, &Request::default(), &Silent).await?;
    say(world, &report::summary(&summary))?;
    for (title, sql) in demo::QUERIES {
        say(world, &format!("\n{title}"))?;
        let (schema, batches) = query::query(&run.lake, &world.settings, sql).await?;
        output::write(world.out, Format::Table, (&schema, &batches))?;
    }
    say(world, &demo::next_steps(folder))?;
    Ok(u8::from(summary.has_failures()))
}

/// A duration in days, hours, minutes or seconds.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: a number and d, h, m or s, such as 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}
