//! A crowd: many functions at once on one lake, fed by one queue, while files are sent, sent again, corrected and removed.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::batches;
use crate::emulator::{Emulator, batch, created, failures};
use crate::world::{PROJECT, World};

/// Messages of one invocation at most.
const BATCH: usize = 10;

/// How often a message may come back before it would be a dead letter.
const RECEIVES: u32 = 60;

/// How long a worker rests whose messages went back.
const VISIBILITY: Duration = Duration::from_millis(500);

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) workers: usize,
    pub(crate) files: usize,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    First(usize),
    Again(usize),
    Corrected(usize),
    Removed(usize),
}

/// A message: the key that it tells of, whether of its removal, and how often it was received.
struct Message {
    key: String,
    is_removal: bool,
    receives: u32,
}

/// The queue, and what happened to its messages.
#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<Message>>,
    under_way: AtomicUsize,
    is_complete: AtomicBool,
    acknowledged: AtomicUsize,
    returned: AtomicUsize,
    invocations: AtomicUsize,
    most_receives: AtomicUsize,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Told {
    size: Option<Size>,
    events: usize,
    invocations: usize,
    returned: usize,
    most_receives: usize,
    superseded: usize,
    conflicts: u64,
    commits: u64,
    seconds: f64,
}

/// Half of the workers begin under an older project; the others come with a newer one after a while, and replace them at
/// the end. Returns when all messages are acknowledged.
pub(crate) fn work(world: &mut World<'_>, size: Size) -> Result<Told, String> {
    let older = older_project(world.folder());
    let queue = Queue::default();
    let script = script(size.files);
    let events = script.len();
    let began = Instant::now();
    let half = size.workers.div_ceil(2);
    let logs = std::thread::scope(|scope| {
        let (queue, world, older) = (&queue, &*world, &older);
        scope.spawn(move || send(world, queue, &script));
        let is_a_third = move || queue.acknowledged.load(Ordering::SeqCst) * 3 >= events;
        let late = (0..size.workers - half).map(|_| {
            scope.spawn(move || {
                wait_until(|| is_a_third() || queue.is_empty());
                vec![worker(world, queue, (PROJECT.as_ref(), 2), None)]
            })
        });
        let early = (0..half).map(|_| {
            scope.spawn(move || {
                // Some time after the newer project came, all of the older workers are gone.
                let log =
                    worker(world, queue, (older, 1), Some(&|| queue.acknowledged.load(Ordering::SeqCst) * 2 >= events));
                vec![log, worker(world, queue, (PROJECT.as_ref(), 2), None)]
            })
        });
        let threads: Vec<_> = late.chain(early).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    let lines: Vec<Value> = logs.into_iter().flatten().collect();
    let number = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    Ok(Told {
        size: Some(size),
        events,
        invocations: number(&queue.invocations),
        returned: number(&queue.returned),
        most_receives: number(&queue.most_receives),
        superseded: lines.iter().filter(|line| line["errorType"] == "Retryable.Superseded").count(),
        conflicts: lines.iter().filter_map(|line| line["CommitConflicts"].as_u64()).sum(),
        commits: world.versions()?.values().map(|version| version + 1).sum(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// All that happens, in an order that looks like chance: of 8 files 2 are sent twice and one is corrected, of 20 one is
/// removed.
fn script(files: usize) -> Vec<Sent> {
    let mut all: Vec<(usize, Sent)> = Vec::new();
    for file in 0..files {
        let at = file * 7919 % files;
        all.push((at, Sent::First(file)));
        let later = |by: usize| at + 1 + (file * 31 + by) % (files / 2);
        all.extend(file.is_multiple_of(4).then(|| (later(5), Sent::Again(file))));
        all.extend((file % 8 == 1).then(|| (later(11), Sent::Corrected(file))));
        all.extend((file % 20 == 2).then(|| (later(17), Sent::Removed(file))));
    }
    all.sort_by_key(|(at, sent)| (*at, sent.order()));
    all.into_iter().map(|(_, sent)| sent).collect()
}

impl Sent {
    fn order(self) -> (u8, usize) {
        match self {
            Self::First(file) => (0, file),
            Self::Again(file) => (1, file),
            Self::Corrected(file) => (2, file),
            Self::Removed(file) => (3, file),
        }
    }
}

fn send(world: &World<'_>, queue: &Queue, script: &[Sent]) {
    for sent in script {
        let (key, is_removal) = match *sent {
            Sent::First(file) | Sent::Again(file) => (batches::send(world, file, 1), false),
            Sent::Corrected(file) => (batches::send(world, file, 2), false),
            Sent::Removed(file) => (batches::withdraw(world, file), true),
        };
        // Events come out of order: every third overtakes those that wait.
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let message = Message { key, is_removal, receives: 0 };
        if sent.order().1.is_multiple_of(3) { waiting.push_front(message) } else { waiting.push_back(message) }
    }
    queue.is_complete.store(true, Ordering::SeqCst);
}

/// One function after another of its own emulator, until there is nothing left or `ends`; what it wrote to its log.
fn worker(
    world: &World<'_>,
    queue: &Queue,
    (project, generation): (&Path, u64),
    ends: Option<&dyn Fn() -> bool>,
) -> Vec<Value> {
    let mut variables = world.variables();
    variables.push(("PINTAIL_PROJECT", project.display().to_string()));
    variables.push(("PINTAIL_GENERATION", generation.to_string()));
    let function = Emulator::start(&variables);
    while !queue.is_empty() && ends.is_none_or(|ends| !ends()) {
        let taken = queue.take();
        if taken.is_empty() {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        let ids: Vec<String> = (0..taken.len()).map(|id| id.to_string()).collect();
        let messages: Vec<(&str, Value, u32)> =
            ids.iter().zip(&taken).map(|(id, message)| (id.as_str(), message.body(world), message.receives)).collect();
        let answer = function.invoke(&batch(&messages));
        let failed: Vec<usize> = failures(&answer).iter().map(|id| id.parse().expect("an id of ours")).collect();
        queue.settle(taken, &failed, &function);
        if !failed.is_empty() {
            // A queue shows them again only after a while.
            std::thread::sleep(VISIBILITY);
        }
    }
    function.lines()
}

impl Message {
    fn body(&self, world: &World<'_>) -> Value {
        let mut body = created("raw", &format!("{}/{}", world.name(), self.key));
        if self.is_removal {
            body["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
        }
        body
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        // In this order: what is under way may come back.
        let complete = self.is_complete.load(Ordering::SeqCst);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        complete && waiting.is_empty() && self.under_way.load(Ordering::SeqCst) == 0
    }

    fn take(&self) -> Vec<Message> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(BATCH);
        self.under_way.fetch_add(count, Ordering::SeqCst);
        waiting.drain(..count).map(|message| Message { receives: message.receives + 1, ..message }).collect()
    }

    /// Messages that failed go back.
    fn settle(&self, taken: Vec<Message>, failed: &[usize], function: &Emulator) {
        self.invocations.fetch_add(1, Ordering::SeqCst);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.under_way.fetch_sub(taken.len(), Ordering::SeqCst);
        for (id, message) in taken.into_iter().enumerate() {
            self.most_receives.fetch_max(message.receives as usize, Ordering::SeqCst);
            if !failed.contains(&id) {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let Message { key, receives, .. } = &message;
            assert!(*receives < RECEIVES, "{key} came back {receives} times:\n{}", function.log());
            self.returned.fetch_add(1, Ordering::SeqCst);
            waiting.push_back(message);
        }
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The project with the files that were others before.
fn older_project(folder: &Path) -> PathBuf {
    let older = folder.join("older");
    copy_folder(Path::new(PROJECT), &older);
    copy_folder(Path::new(&format!("{PROJECT}-older")), &older);
    older
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder takes folders");
    for entry in std::fs::read_dir(from).expect("our folder can be listed").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a new folder takes files");
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, events, invocations, returned, most_receives, superseded, conflicts, commits, seconds } = self;
        let Size { workers, files } = size.unwrap_or(Size { workers: 0, files: 0 });
        writeln!(formatter, "{workers} functions, {files} files, {events} events, {seconds:.1} s:")?;
        writeln!(formatter, "  {commits} commits in all tables, {conflicts} conflicts")?;
        writeln!(
            formatter,
            "  {invocations} invocations; {returned} times a message went back, {superseded} of them from a function of the older project"
        )?;
        write!(formatter, "  a message was received {most_receives} times at most")
    }
}
