//! The `DuckDB` of a run: started ahead, beside whatever else begins, or when it is first needed.

use std::cell::{Cell, OnceCell};
use std::thread::{self, JoinHandle};

use crate::engine::Engine;
use crate::error::Result;

/// An engine that may not be started yet.
#[derive(Default)]
pub struct Standby {
    engine: OnceCell<Engine>,
    ahead: Cell<Option<JoinHandle<Result<Engine>>>>,
}

impl Standby {
    /// One that is started by another thread meanwhile.
    pub fn ahead(start: impl FnOnce() -> Result<Engine> + Send + 'static) -> Self {
        Self { engine: OnceCell::new(), ahead: Cell::new(Some(thread::spawn(start))) }
    }

    /// The engine, if it was needed before.
    pub fn get(&self) -> Option<&Engine> {
        self.engine.get()
    }

    /// The engine; when it is first needed, `prepare` makes it of the one that was started ahead, or of none.
    ///
    /// # Errors
    /// As `prepare`.
    pub fn get_or_prepare(&self, prepare: impl FnOnce(Option<Engine>) -> Result<Engine>) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let ahead = self.ahead.take().and_then(|ahead| ahead.join().ok()?.ok());
        let engine = prepare(ahead)?;
        Ok(self.engine.get_or_init(|| engine))
    }
}
