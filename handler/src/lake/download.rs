//! Downloads: the bytes of one version of an object, in ranges that are read side by side and handed on in order.
//!
//! Where there is room, they are kept in a file without a name while they come, so that an object that is read twice
//! crosses the network once; a reader follows behind. Where there is none, every reader fetches them anew and holds only
//! the ranges that are on their way. Either way the last byte is handed out only when all of them match the object's seal.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use records::Input;
use tokio::task::AbortHandle;

use super::s3::{self, CHUNK, LANES, Pin, S3, broken, ranges};
use super::seal::{Seal, Verifier};
use crate::error::{Error, Result};

/// What is to be downloaded.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The version.
    pub pin: Pin,
    /// Its bytes.
    pub length: u64,
    /// What they are checked against.
    pub seal: Seal,
}

/// Room for kept bytes, shared by all downloads.
#[derive(Debug)]
pub struct Room {
    free: AtomicU64,
}

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// So many bytes are free.
    pub fn new(bytes: u64) -> Self {
        Self { free: AtomicU64::new(bytes) }
    }

    /// Takes room for so many bytes, if there is as much.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Option<Taken> {
        let taken = self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(bytes));
        taken.is_ok().then(|| Taken { room: Arc::clone(self), bytes })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.free.fetch_add(self.bytes, Ordering::SeqCst);
    }
}

/// A download that is kept in a file, and may still be under way.
pub struct Kept {
    length: u64,
    shared: Arc<Shared>,
    task: AbortHandle,
    _room: Option<Taken>,
}

struct Shared {
    file: File,
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Bytes from the beginning that are in the file.
    available: u64,
    /// How it ended.
    ended: Option<std::result::Result<(), Arc<Error>>>,
}

impl Kept {
    /// Begins to download into `file`.
    ///
    /// # Errors
    /// [`Error::Io`] when requests cannot be run.
    pub fn begin(s3: &S3, wanted: Wanted, (file, room): (File, Option<Taken>)) -> Result<Self> {
        let shared = Arc::new(Shared { file, progress: Mutex::default(), moved: Condvar::new() });
        let (length, s3, filling) = (wanted.length, s3.clone(), Arc::clone(&shared));
        let task = s3::runtime()?.spawn(async move {
            let ended = s3::in_time(fill(&s3, &wanted, &filling)).await.map_err(Arc::new);
            filling.tell(|progress| progress.ended = Some(ended));
        });
        Ok(Self { length, shared, task: task.abort_handle(), _room: room })
    }

    /// Waits until all bytes are there and checked.
    ///
    /// # Errors
    /// What the download failed with.
    pub fn finish(&self) -> std::result::Result<(), Arc<Error>> {
        let mut progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(ended) = &progress.ended {
                return ended.clone();
            }
            progress = self.shared.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.tell(|progress| {
            progress.ended.get_or_insert_with(|| Err(Arc::new(Error::Internal("the download was given up"))));
        });
    }
}

async fn fill(s3: &S3, wanted: &Wanted, shared: &Shared) -> Result<()> {
    let _permit = s3.permit(wanted.length).await;
    let mut verifier = Verifier::new(&wanted.seal);
    let mut chunks =
        stream::iter(ranges(0, wanted.length, CHUNK)).map(|range| s3.range(&wanted.pin, range)).buffered(LANES);
    let mut place = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        verifier.update(&chunk);
        shared.file.write_all_at(&chunk, place).map_err(Error::io("write", "the temporary file of a download"))?;
        place += chunk.len() as u64;
        shared.tell(|progress| progress.available = place);
    }
    verifier.finish().map_err(|reason| broken(&wanted.pin.at, reason))
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    /// Waits for bytes at `position`; how many there are from there on. The last byte waits for the check.
    fn wait(&self, position: u64, length: u64) -> io::Result<u64> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let readable = match &progress.ended {
                Some(Ok(())) => length,
                Some(Err(error)) => return Err(io::Error::other(Arc::clone(error))),
                None => progress.available.min(length.saturating_sub(1)),
            };
            if readable > position || position >= length {
                return Ok(readable.saturating_sub(position));
            }
            progress = self.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Input for Kept {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let following = Following { shared: Arc::clone(&self.shared), position: range.start, length: self.length };
        Ok(Box::new(following.take(range.end.saturating_sub(range.start))))
    }
}

/// Reads behind a download.
struct Following {
    shared: Arc<Shared>,
    position: u64,
    length: u64,
}

impl Read for Following {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.shared.wait(self.position, self.length)?).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(there);
        let count = self.shared.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// An object that there is no room for: every reader fetches it anew.
pub struct Passing {
    /// The client.
    pub s3: S3,
    /// The object.
    pub wanted: Wanted,
}

impl Input for Passing {
    fn length(&self) -> u64 {
        self.wanted.length
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        // Only who reads the whole sees all that the seal is for.
        let seal = if range == (0..self.wanted.length) { &self.wanted.seal } else { &Seal::Unknown };
        Ok(Box::new(Stream {
            s3: self.s3.clone(),
            wanted: self.wanted.clone(),
            next: range.start,
            end: range.end,
            reach: FIRST,
            coming: VecDeque::new(),
            chunk: Bytes::new(),
            verifier: Some(Verifier::new(seal)),
        }))
    }
}

/// The first range is short: who opens a file of columns in the middle may not read on to the end.
const FIRST: u64 = 1 << 20;

struct Stream {
    s3: S3,
    wanted: Wanted,
    /// Where the next range begins.
    next: u64,
    /// Where the last one ends.
    end: u64,
    /// How long it is.
    reach: u64,
    coming: VecDeque<(Receiver<Result<Bytes>>, AbortHandle)>,
    chunk: Bytes,
    verifier: Option<Verifier>,
}

impl Stream {
    /// Keeps as many ranges on their way as the reader has shown that it wants.
    fn ask(&mut self) -> io::Result<()> {
        let lanes = if self.reach == FIRST { 1 } else { LANES };
        while self.coming.len() < lanes && self.next < self.end {
            let range = (self.next, self.end.min(self.next + self.reach));
            (self.next, self.reach) = (range.1, CHUNK);
            let (answer, receiver) = sync_channel(1);
            let (s3, pin) = (self.s3.clone(), self.wanted.pin.clone());
            let runtime = s3::runtime().map_err(io::Error::other)?;
            let task = runtime.spawn(async move { answer.send(s3::in_time(s3.range(&pin, range)).await).ok() });
            self.coming.push_back((receiver, task.abort_handle()));
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.ask()?;
            let Some((receiver, _)) = self.coming.pop_front() else { return Ok(0) };
            let chunk = receiver.recv().map_err(io::Error::other)?.map_err(io::Error::other)?;
            if let Some(verifier) = &mut self.verifier {
                verifier.update(&chunk);
            }
            self.ask()?;
            if self.coming.is_empty() {
                let checked = self.verifier.take().map_or(Ok(()), Verifier::finish);
                checked.map_err(|reason| io::Error::other(broken(&self.wanted.pin.at, reason)))?;
            }
            self.chunk = chunk;
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        for (_, task) in &self.coming {
            task.abort();
        }
    }
}
