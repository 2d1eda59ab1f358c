//! Ingest: the walk over raw objects. Look at each, claim what is new or changed, publish it, refresh gold, write the
//! receipt, look again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use chrono::Utc;

use crate::attempt;
use crate::error::{Error, Result};
use crate::gold;
use crate::lake::{Lake, RawObject, is_ignored};
use crate::project::{OnDelete, Project};
use crate::publish::{CONTRACT, Claimed, Outcome, Published, publish};
use crate::quarantine;
use crate::receipt::{self, Claim, GoldEntry, GoldStatus, Receipt, State, Status, Stored};
use crate::run::Run;
use crate::source::Source;
use crate::table::{Table, backoff};

/// Objects that share one commit a table at most.
const BATCH: usize = 1000;

/// How often an object may change while it is read before it is given up.
const RESTLESS: u32 = 20;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Keys below raw; empty for all that is new or changed.
    pub keys: Vec<String>,
    /// Read objects anew under the present contract.
    pub again: bool,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    /// The receipts of all objects that were processed, and of unchanged ones that were named.
    pub receipts: Vec<Receipt>,
    /// The gold tables as they stand.
    pub gold: Vec<GoldEntry>,
    /// Keys that are what their receipt says.
    pub unchanged: u64,
    /// Keys with a segment that begins with `.` or `_`.
    pub ignored: u64,
    /// Keys of unchanged objects that were made under an older contract.
    pub older: Vec<String>,
    /// Keys whose object is gone and whose rows stay.
    pub kept: Vec<String>,
    /// Declared columns whose stored type is another one, by table.
    pub differences: BTreeMap<String, Vec<String>>,
}

/// Told of each step, for progress bars.
pub trait Progress {
    /// So many objects are known to need work.
    fn expect(&self, objects: usize);
    /// An object is finished.
    fn finish(&self, receipt: &Receipt);
}

/// What a run would do with a key.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Planned {
    /// The key.
    pub key: String,
    /// `read` or `withdraw`.
    pub action: &'static str,
    /// The tables that it concerns, as `silver/name`.
    pub tables: Vec<String>,
}

/// What [`ingest`] would do, without doing or claiming anything.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`]; [`Error::Key`] for a key that may not be read.
pub fn plan(lake: &Lake, project: &Project, request: &Request) -> Result<Vec<Planned>> {
    let mut keys: BTreeSet<String> = request.keys.iter().cloned().collect();
    if keys.is_empty() {
        keys.extend(lake.keys()?.keys);
        keys.extend(receipt::all(lake)?.into_iter().filter_map(|stored| stored.state).map(|state| state.key));
    }
    let mut plan = Vec::new();
    for key in keys {
        let stored = Stored::read(lake, &key)?;
        let known = stored.done().and_then(|done| Some((done.stamp.as_ref()?, done.version.as_deref()?)));
        let object = lake.look(&key, known)?;
        let source = Source::of_key(project, &key).unwrap_or_else(Source::refused);
        let action = match (&object, stored.done()) {
            (Some(object), Some(done)) if done.version.as_deref() == Some(&object.version) && !request.again => {
                continue;
            }
            (Some(_), _) => "read",
            (None, Some(done)) if done.status != Status::Withdrawn && source.on_delete() == OnDelete::Withdraw => {
                "withdraw"
            }
            (None, _) => continue,
        };
        plan.push(Planned { key, action, tables: source.tables() });
    }
    Ok(plan)
}

/// What a look at a key found.
enum Look {
    Absent,
    Unchanged(Box<Receipt>),
    Kept,
    Held,
    Claimed(Box<Claimed>),
}

struct Walk<'a> {
    run: &'a Run,
    request: &'a Request,
    progress: &'a dyn Progress,
    summary: Summary,
    restless: HashMap<String, u32>,
    /// Documents that the walk has read and not looked at yet; who changed one meanwhile wins the swap.
    known: HashMap<String, Stored>,
    /// The present fingerprint of each source, by table.
    fingerprints: HashMap<String, String>,
    done_again: BTreeSet<String>,
}

/// Ingests what is asked for and refreshes whatever gold is stale.
///
/// # Errors
/// Failures that concern the whole run; those of single objects are receipts with status `failed`.
pub async fn ingest(run: &Run, request: &Request, progress: &dyn Progress) -> Result<Summary> {
    let mut walk = Walk {
        run,
        request,
        progress,
        summary: Summary::default(),
        restless: HashMap::new(),
        known: HashMap::new(),
        fingerprints: HashMap::new(),
        done_again: BTreeSet::new(),
    };
    let mut pending = walk.keys().await?;
    let mut quiet_since = Instant::now();
    let mut round = 0;
    while !pending.is_empty() {
        let (batch, held) = walk.claim(&mut pending).await?;
        if batch.is_empty() {
            if quiet_since.elapsed() > run.patience() {
                walk.give_up(held);
                break;
            }
            backoff(round).await;
            round += 1;
        } else {
            pending.extend(walk.process(batch).await?);
            quiet_since = Instant::now();
            round = 0;
        }
        pending.extend(held);
    }
    walk.refresh_gold().await?;
    Ok(walk.summary)
}

impl Walk<'_> {
    async fn keys(&mut self) -> Result<Vec<String>> {
        if !self.request.keys.is_empty() {
            let mut keys: BTreeSet<String> = self.request.keys.iter().cloned().collect();
            if self.request.again {
                self.widen(&mut keys).await?;
            }
            return Ok(keys.into_iter().collect());
        }
        let listing = self.run.lake.keys()?;
        self.summary.ignored = listing.ignored;
        for name in &listing.refused {
            let reason = "the name is no UTF-8".to_owned();
            self.fail(name, &Error::Key { key: name.clone(), reason }, None);
        }
        let mut keys: BTreeSet<String> = listing.keys.into_iter().collect();
        for stored in receipt::all(&self.run.lake)? {
            if let Some(state) = &stored.state {
                keys.insert(state.key.clone());
                self.known.insert(state.key.clone(), stored);
            }
        }
        Ok(keys.into_iter().collect())
    }

    /// Where a stored type changes, all objects of the source have to be read anew.
    async fn widen(&self, keys: &mut BTreeSet<String>) -> Result<()> {
        let mut retyped = BTreeSet::new();
        for key in keys.iter() {
            let Ok(source) = Source::of_key(&self.run.project, key) else { continue };
            let Some(table) = self.run.tables.load(&format!("silver/{}", source.table)).await? else { continue };
            let contract = table
                .properties
                .get(CONTRACT)
                .and_then(|text| serde_json::from_str::<crate::contract::Contract>(text).ok());
            if contract.is_some_and(|contract| !contract.differences(source.declared).is_empty()) {
                retyped.insert(source.table);
            }
        }
        if retyped.is_empty() {
            return Ok(());
        }
        let of_retyped =
            |key: &String| Source::of_key(&self.run.project, key).is_ok_and(|source| retyped.contains(&source.table));
        keys.extend(self.run.lake.keys()?.keys.into_iter().filter(of_retyped));
        Ok(())
    }

    /// Claims a batch from the front of `pending`; what others hold comes back.
    async fn claim(&mut self, pending: &mut Vec<String>) -> Result<(Vec<Claimed>, Vec<String>)> {
        let limit = if self.request.again { usize::MAX } else { BATCH };
        let (mut batch, mut held) = (Vec::new(), Vec::new());
        let mut rest = std::mem::take(pending).into_iter();
        for key in rest.by_ref() {
            match self.look(&key).await {
                Ok(Look::Absent) if !self.request.keys.is_empty() => {
                    let reason = "there is no such raw object".to_owned();
                    self.fail(&key, &Error::Key { key: key.clone(), reason }, None);
                }
                Ok(Look::Absent) => {}
                Ok(Look::Kept) => self.summary.kept.push(key),
                Ok(Look::Held) => held.push(key),
                Ok(Look::Unchanged(receipt)) => self.unchanged(*receipt),
                Ok(Look::Claimed(claimed)) => batch.push(*claimed),
                Err(error) => self.fail(&key, &error, None),
            }
            if batch.len() >= limit {
                break;
            }
        }
        pending.extend(rest);
        self.progress.expect(batch.len());
        Ok((batch, held))
    }

    fn unchanged(&mut self, receipt: Receipt) {
        self.summary.unchanged += 1;
        if let Ok(source) = Source::of_key(&self.run.project, &receipt.key) {
            let table = source.table.clone();
            let present = self.fingerprints.entry(table).or_insert_with(|| source.fingerprint(&self.run.project));
            if *present != receipt.contract {
                self.summary.older.push(receipt.key.clone());
            }
        }
        if !self.request.keys.is_empty() {
            let receipt = Receipt { status: Status::Unchanged, ..receipt };
            self.progress.finish(&receipt);
            self.summary.receipts.push(receipt);
        }
    }

    async fn look(&mut self, key: &str) -> Result<Look> {
        let stored = match self.known.remove(key) {
            Some(stored) => stored,
            None => Stored::read(&self.run.lake, key)?,
        };
        let known = stored.done().and_then(|done| Some((done.stamp.as_ref()?, done.version.as_deref()?)));
        let object = self.run.lake.look(key, known)?;
        if is_ignored(key) {
            return Err(Error::Key {
                key: key.to_owned(),
                reason: "a segment begins with `.` or `_`: such keys are ignored".to_owned(),
            });
        }
        if let Some(claim) = stored.claim() {
            if claim.attempt != self.run.attempt.id && attempt::is_alive(&self.run.lake, &claim.attempt)? {
                return Ok(Look::Held);
            }
            return self.take(key, object, &stored);
        }
        match (&object, stored.done()) {
            (None, None) => Ok(Look::Absent),
            (None, Some(done)) if done.status == Status::Withdrawn => Ok(Look::Unchanged(Box::new(done.clone()))),
            (None, Some(_)) if self.keeps(key) => Ok(Look::Kept),
            (Some(object), Some(done)) if done.version.as_deref() == Some(&object.version) => {
                let anew = self.request.again && !self.done_again.contains(key);
                if anew || !self.holds(done).await? {
                    return self.take(key, Some(object.clone()), &stored);
                }
                self.settle(object, &stored)?;
                Ok(Look::Unchanged(Box::new(done.clone())))
            }
            _ => self.take(key, object, &stored),
        }
    }

    /// A file that was too young for its time to stand for its content is so no longer: the next look is quick. Who
    /// changed the receipt meanwhile knows better.
    fn settle(&self, object: &RawObject, stored: &Stored) -> Result<()> {
        let Some(done) = stored.done().filter(|done| done.stamp.as_ref() != Some(&object.stamp)) else { return Ok(()) };
        if object.stamp.settled {
            let receipt = Receipt { stamp: Some(object.stamp.clone()), ..done.clone() };
            stored.swap(&self.run.lake, State { key: object.key.clone(), claim: None, done: Some(receipt) })?;
        }
        Ok(())
    }

    fn keeps(&self, key: &str) -> bool {
        Source::of_key(&self.run.project, key).map_or(OnDelete::Keep, |source| source.on_delete()) == OnDelete::Keep
    }

    /// Whether the tables that the receipt names are still the same ones.
    async fn holds(&self, done: &Receipt) -> Result<bool> {
        for entry in &done.silver {
            let table = self.run.tables.table(&format!("silver/{}", entry.table))?;
            if table.identity().await?.map(|(id, _)| id).as_ref() != Some(&entry.id) {
                return Ok(false);
            }
        }
        if done.quarantined > 0 {
            return Ok(Table::exists(&self.run.lake, &format!("silver/{}", quarantine::TABLE)));
        }
        Ok(true)
    }

    fn take(&self, key: &str, object: Option<RawObject>, stored: &Stored) -> Result<Look> {
        let started_at = Utc::now();
        let taken_over = stored.claim().is_some();
        let mut tables: BTreeSet<String> = stored.claim().into_iter().flat_map(|claim| claim.tables.clone()).collect();
        tables.extend(Source::of_key(&self.run.project, key).map(|source| source.tables()).unwrap_or_default());
        let claim = Claim { attempt: self.run.attempt.id.clone(), tables: tables.into_iter().collect() };
        let state = State { key: key.to_owned(), claim: Some(claim), done: stored.done().cloned() };
        Ok(match stored.swap(&self.run.lake, state)? {
            Some(stored) => {
                Look::Claimed(Box::new(Claimed { object, key: key.to_owned(), stored, taken_over, started_at }))
            }
            None => Look::Held,
        })
    }

    /// Publishes a batch, refreshes gold, writes the receipts; returns the keys to look at again.
    async fn process(&mut self, batch: Vec<Claimed>) -> Result<Vec<String>> {
        let mut groups: BTreeMap<String, Vec<Claimed>> = BTreeMap::new();
        let mut outcomes = Outcome::default();
        for claimed in batch {
            match Source::of_key(&self.run.project, &claimed.key) {
                Ok(source) => groups.entry(source.table).or_default().push(claimed),
                Err(_) if claimed.object.is_none() => groups.entry(String::new()).or_default().push(claimed),
                // Each on its own: the reason names the key.
                Err(_) => groups.entry(format!("/{}", claimed.key)).or_default().push(claimed),
            }
        }
        for group in groups.into_values() {
            let nowhere = || Source { table: String::new(), declared: None, models: Vec::new(), refused: None };
            let source = group.first().map(|first| Source::of_key(&self.run.project, &first.key));
            let source = source.map_or_else(nowhere, |source| source.unwrap_or_else(Source::refused));
            self.publish(&source, group, &mut outcomes).await?;
        }
        let gold = self.refresh_gold().await?;
        let mut again = Vec::new();
        for published in outcomes.published {
            again.extend(self.finish(published, &gold)?);
        }
        for (claimed, error) in outcomes.failed {
            self.fail(&claimed.key, &error, Some(&claimed));
        }
        for claimed in outcomes.moved {
            again.extend(self.once_more(claimed));
        }
        Ok(again)
    }

    async fn publish(&mut self, source: &Source<'_>, group: Vec<Claimed>, outcomes: &mut Outcome) -> Result<()> {
        let claims = group.clone();
        match publish(self.run, source, group, self.request.again).await {
            Ok(outcome) => {
                outcomes.published.extend(outcome.published);
                outcomes.failed.extend(outcome.failed);
                outcomes.moved.extend(outcome.moved);
                if !outcome.differences.is_empty() {
                    self.summary.differences.insert(source.table.clone(), outcome.differences);
                }
                Ok(())
            }
            Err(error @ Error::Superseded { .. }) => Err(error),
            // One source's failure is not its neighbours'.
            Err(error) => {
                for claimed in &claims {
                    self.fail(&claimed.key, &error, Some(claimed));
                }
                Ok(())
            }
        }
    }

    /// Refreshes gold; the summary keeps what the run did to each table.
    async fn refresh_gold(&mut self) -> Result<Vec<GoldEntry>> {
        let now = gold::refresh(self.run).await?;
        let former = std::mem::replace(&mut self.summary.gold, now.clone());
        for entry in &mut self.summary.gold {
            let earlier =
                former.iter().find(|earlier| earlier.table == entry.table && earlier.version == entry.version);
            if let Some(earlier) = earlier.filter(|_| entry.status == GoldStatus::Fresh) {
                *entry = earlier.clone();
            }
        }
        Ok(now)
    }

    fn once_more(&mut self, claimed: Claimed) -> Option<String> {
        let count = self.restless.entry(claimed.key.clone()).or_default();
        *count += 1;
        if *count > RESTLESS {
            self.fail(&claimed.key, &Error::Unstable { key: claimed.key.clone() }, Some(&claimed));
            return None;
        }
        Some(claimed.key)
    }

    /// Writes the receipt and looks again.
    fn finish(&mut self, published: Published, gold: &[GoldEntry]) -> Result<Option<String>> {
        let key = published.claimed.key.clone();
        let receipt = self.receipt(&published, gold);
        let state = State { key: key.clone(), claim: None, done: Some(receipt.clone()) };
        if published.claimed.stored.swap(&self.run.lake, state)?.is_none() {
            return Ok(self.once_more(published.claimed));
        }
        self.progress.finish(&receipt);
        let known = receipt.stamp.as_ref().zip(receipt.version.as_deref());
        let now = self.run.lake.look(&key, known)?.map(|object| object.version);
        let changed = now != receipt.version;
        self.summary.receipts.retain(|former| former.key != key);
        self.summary.receipts.push(receipt);
        self.done_again.insert(key.clone());
        let vanished = now.is_none() && self.keeps(&key);
        Ok((changed && !vanished).then_some(key))
    }

    fn receipt(&self, published: &Published, gold: &[GoldEntry]) -> Receipt {
        let claimed = &published.claimed;
        let source = Source::of_key(&self.run.project, &claimed.key).ok();
        let rows = published.rows.as_ref();
        let quarantined = rows.map_or(0, |rows| rows.records - rows.accepted);
        let status = match rows {
            None => Status::Withdrawn,
            Some(rows) if rows.accepted == 0 && rows.records > 0 => Status::Quarantined,
            Some(_) => Status::Ingested,
        };
        let tables: Vec<String> = published.silver.iter().map(|entry| entry.table.clone()).collect();
        let below = gold::downstream(&self.run.project, &tables);
        Receipt {
            source: source.as_ref().map(Source::name).unwrap_or_default(),
            key: claimed.key.clone(),
            version: claimed.object.as_ref().map(|object| object.version.clone()),
            status,
            records: rows.map_or(0, |rows| rows.records),
            accepted: rows.map_or(0, |rows| rows.accepted),
            quarantined,
            warnings: rows.map(|rows| rows.warnings.clone()).unwrap_or_default(),
            silver: published.silver.clone(),
            gold: gold.iter().filter(|entry| below.contains(&entry.table)).cloned().collect(),
            bytes: claimed.object.as_ref().map_or(0, |object| object.stamp.size),
            started_at: claimed.started_at,
            duration_ms: milliseconds_since(claimed.started_at),
            error: rows.and_then(|rows| rows.refused.clone()),
            contract: source.map(|source| source.fingerprint(&self.run.project)).unwrap_or_default(),
            options: rows.and_then(|rows| rows.options.clone()),
            stamp: claimed.object.as_ref().map(|object| object.stamp.clone()),
        }
    }

    fn give_up(&mut self, held: Vec<String>) {
        for key in held {
            let error = Error::Held { key: key.clone(), seconds: self.run.settings.patience_seconds };
            self.fail(&key, &error, None);
        }
    }

    fn fail(&mut self, key: &str, error: &Error, claimed: Option<&Claimed>) {
        let object = claimed.and_then(|claimed| claimed.object.as_ref());
        let started_at = claimed.map_or_else(Utc::now, |claimed| claimed.started_at);
        let source = Source::of_key(&self.run.project, key).ok();
        let receipt = Receipt {
            source: source.map(|source| source.name()).unwrap_or_default(),
            key: key.to_owned(),
            version: object.map(|object| object.version.clone()),
            status: Status::Failed,
            records: 0,
            accepted: 0,
            quarantined: 0,
            warnings: BTreeMap::new(),
            silver: Vec::new(),
            gold: Vec::new(),
            bytes: object.map_or(0, |object| object.stamp.size),
            started_at,
            duration_ms: milliseconds_since(started_at),
            error: Some(error.chain()),
            contract: String::new(),
            options: None,
            stamp: None,
        };
        self.progress.finish(&receipt);
        self.summary.receipts.push(receipt);
    }
}

fn milliseconds_since(time: chrono::DateTime<Utc>) -> u64 {
    u64::try_from((Utc::now() - time).num_milliseconds()).unwrap_or(0)
}

impl Summary {
    /// Whether a file failed or a gold table is withheld.
    pub fn has_failures(&self) -> bool {
        self.receipts.iter().any(|receipt| receipt.status == Status::Failed)
            || self.gold.iter().any(|entry| entry.status == GoldStatus::Withheld)
    }
}
