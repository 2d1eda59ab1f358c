//! Receipts: one small document per raw object, claimed or done. It is the state of the object and its load history.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fingerprint::fingerprint;
use crate::lake::{Document, Lake, SYSTEM_FOLDER, Stamp, parallel};

/// What became of a raw object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its records are rows, or in quarantine one by one.
    Ingested,
    /// Nothing of it was accepted.
    Quarantined,
    /// It is what the receipt says already.
    Unchanged,
    /// It was removed, and its rows with it.
    Withdrawn,
    /// Our failure; nothing is lost, and the next run tries again.
    Failed,
}

/// Rows of the object in one silver table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilverEntry {
    /// The table's name.
    pub table: String,
    /// The table's id.
    pub id: String,
    /// The version whose commit holds the rows.
    pub version: u64,
    /// Rows of the object.
    pub rows: u64,
}

/// A gold table as the object's refresh left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldEntry {
    /// The table's name.
    pub table: String,
    /// Its version; none when it was never published.
    pub version: Option<u64>,
    /// `refreshed`, `fresh` or `withheld`.
    pub status: GoldStatus,
    /// Why it is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Tests that only warn and found failing rows in this refresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether it failed though it had all the time and room of a run.
    #[serde(skip)]
    pub is_too_large: bool,
}

impl GoldEntry {
    /// A table of which nothing else is to be said.
    pub fn new(table: &str, version: Option<u64>, status: GoldStatus) -> Self {
        let (table, reason, warnings) = (table.to_owned(), None, Vec::new());
        Self { table, version, status, reason, warnings, is_too_large: false }
    }
}

/// How a gold table stands to its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoldStatus {
    /// Computed anew.
    Refreshed,
    /// Nothing it reads had changed.
    Fresh,
    /// The data refuses it; the last good version stands.
    Withheld,
    /// A failure of ours; it is tried again with the next run.
    Failed,
}

/// The receipt of one raw object, as `ingest --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `source.table` as declared, or the table.
    pub source: String,
    /// The key.
    pub key: String,
    /// The content's version; none when the object is gone.
    pub version: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Records that the reader counted.
    pub records: u64,
    /// Records that are rows of the plain table.
    pub accepted: u64,
    /// Records in quarantine.
    pub quarantined: u64,
    /// Lines that are no records: blank lines, comments, repeated headers, the preamble.
    #[serde(default, skip_serializing_if = "records::Passed::is_nothing")]
    pub passed: records::Passed,
    /// Failing records per test that only warns.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub warnings: std::collections::BTreeMap<String, u64>,
    /// The silver tables that hold it.
    pub silver: Vec<SilverEntry>,
    /// The gold tables below it.
    pub gold: Vec<GoldEntry>,
    /// Bytes of the object.
    pub bytes: u64,
    /// When its processing began.
    pub started_at: DateTime<Utc>,
    /// Milliseconds from then to the receipt.
    pub duration_ms: u64,
    /// Why it was quarantined as a whole, or what failed.
    pub error: Option<String>,
    /// Fingerprint of contract and silver models that it was made under.
    pub contract: String,
    /// How its bytes were read, so that they can be counted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<records::Options>,
    /// The quick look of the object's version.
    pub stamp: Option<Stamp>,
}

impl Receipt {
    /// The silver tables that hold the object.
    pub fn tables(&self) -> Vec<String> {
        self.silver.iter().map(|entry| entry.table.clone()).collect()
    }
}

/// Who works on an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The attempt's id.
    pub attempt: String,
    /// The silver tables that the attempt may commit to.
    pub tables: Vec<String>,
}

/// What the document of an object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The key.
    pub key: String,
    /// The attempt that works on it now, or died doing so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// The last finished look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Receipt>,
}

/// The document of one object, as it was read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Where it stands.
    pub path: String,
    /// What it says; `None` when there is none.
    pub state: Option<State>,
    document: Option<Document>,
}

/// The folder of receipts.
pub fn folder() -> String {
    format!("silver/{SYSTEM_FOLDER}/receipts")
}

/// Where the document of a key stands.
pub fn path(key: &str) -> String {
    format!("{}/{}.json", folder(), object_name(key))
}

/// The name under which an object's files and receipt stand: a hash of its key.
pub fn object_name(key: &str) -> String {
    fingerprint([key])
}

impl Stored {
    /// Reads the document of a key.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn read(lake: &Lake, key: &str) -> Result<Self> {
        Self::read_path(lake, path(key))
    }

    /// Reads a document by its path.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn read_path(lake: &Lake, path: String) -> Result<Self> {
        let document = lake.read(&path)?;
        let state = match &document {
            Some(document) => Some(serde_json::from_slice(&document.bytes).map_err(|source| Error::Document {
                path: path.clone().into(),
                kind: "receipt",
                source,
            })?),
            None => None,
        };
        Ok(Self { path, state, document })
    }

    /// The last finished look.
    pub fn done(&self) -> Option<&Receipt> {
        self.state.as_ref()?.done.as_ref()
    }

    /// The quick look and the version of the last finished look, for the next one.
    pub fn seen(&self) -> Option<(&Stamp, &str)> {
        let done = self.done()?;
        Some((done.stamp.as_ref()?, done.version.as_deref()?))
    }

    /// The claim that stands.
    pub fn claim(&self) -> Option<&Claim> {
        self.state.as_ref()?.claim.as_ref()
    }

    /// Replaces the document if nobody else did; the document as it stands then, or `None`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn swap(&self, lake: &Lake, state: State) -> Result<Option<Self>> {
        let bytes = serde_json::to_vec(&state).map_err(|source| Error::Document {
            path: self.path.clone().into(),
            kind: "receipt",
            source,
        })?;
        let document = lake.swap(&self.path, self.document.as_ref(), &bytes)?;
        Ok(document.map(|document| Self { path: self.path.clone(), state: Some(state), document: Some(document) }))
    }
}

/// All receipts of the lake.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn all(lake: &Lake) -> Result<Vec<Stored>> {
    let documents = lake.documents(&folder())?;
    parallel(lake.width(), &documents, |path| Stored::read_path(lake, path.clone())).into_iter().collect()
}
