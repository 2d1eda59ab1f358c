//! Splitting and converting at the same time, on threads of their own: block by block, in order.
//!
//! What comes out depends on the blocks alone, and they are cut by one thread; so any number of threads gives the same.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::block::{Block, Convert, Split};
use crate::error::Error;

type Cut<F> = Result<Option<Block<F>>, Error>;
type Converted<T> = Result<Option<T>, Error>;

/// What was made of an object's blocks, in order.
pub(crate) type Made<'a, T> = Box<dyn Iterator<Item = Result<T, Error>> + Send + 'a>;

/// Splits and converts: on the calling thread, or on one thread for each converter and one more where there are several.
pub(crate) fn run<S: Split, C: Convert<S::Fault>>(
    mut split: S,
    converters: Vec<C>,
) -> Result<Made<'static, C::Out>, Error> {
    if converters.len() > 1 {
        return spawn(split, converters).map_err(Error::Io);
    }
    let mut converters = converters;
    Ok(Box::new(std::iter::from_fn(move || {
        let block = split.next_block().transpose()?;
        converters.first_mut().map(|converter| block.and_then(|block| converter.convert(block)))
    })))
}

/// Block by block the converters take turns, and so does who asks for batches. Each waits for the next one: no more than
/// five blocks for each converter are in memory.
fn spawn<S: Split, C: Convert<S::Fault>>(split: S, converters: Vec<C>) -> io::Result<Made<'static, C::Out>> {
    let (mut blocks, mut batches) = (Vec::new(), Vec::new());
    for converter in converters {
        let (block, taken) = sync_channel(2);
        let (done, batch) = sync_channel(2);
        thread::Builder::new().name("records convert".to_owned()).spawn(move || convert(converter, &taken, &done))?;
        blocks.push(block);
        batches.push(batch);
    }
    thread::Builder::new().name("records split".to_owned()).spawn(move || distribute(split, &blocks))?;
    let mut turn = 0..;
    Ok(Box::new(std::iter::from_fn(move || {
        let receiver: &Receiver<Converted<C::Out>> = &batches[turn.next().unwrap_or(0) % batches.len()];
        receiver.recv().unwrap_or_else(|_| Err(Error::Io(io::Error::other("a thread of the reader died")))).transpose()
    })))
}

/// Hands the blocks out in turns, and then the end or the first error.
fn distribute<S: Split>(mut split: S, blocks: &[SyncSender<Cut<S::Fault>>]) {
    for sender in blocks.iter().cycle() {
        let block = split.next_block();
        let last = !matches!(block, Ok(Some(_)));
        if sender.send(block).is_err() || last {
            return;
        }
    }
}

fn convert<F, C: Convert<F>>(mut converter: C, blocks: &Receiver<Cut<F>>, done: &SyncSender<Converted<C::Out>>) {
    for block in blocks {
        let batch = block.and_then(|block| block.map(|block| converter.convert(block)).transpose());
        if done.send(batch).is_err() {
            return;
        }
    }
}
