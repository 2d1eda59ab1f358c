//! Ingest: the walk over raw objects. Look at each, claim what is new or changed, publish it, refresh gold, write the
//! receipt, look again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use chrono::Utc;
use records::Passed;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::claims::{Claims, Look, Sight};
use crate::contract::Contract;
use crate::error::{Class, Error, Result};
use crate::gold;
use crate::lake::{Lake, both, parallel};
use crate::measures::Measures;
use crate::project::Project;
use crate::publish::{CONTRACT, Claimed, Outcome, Published, publish};
use crate::quarantine;
use crate::receipt::{self, GoldEntry, GoldStatus, Receipt, State, Status};
use crate::run::{Part, Run};
use crate::snapshot::Needs;
use crate::source::Source;
use crate::table::backoff;

/// Objects that share one commit a table at most.
const BATCH: usize = 1000;

/// Sources that are published side by side at most.
const SOURCES: usize = 4;

/// How often an object may change while it is read before it is given up.
const RESTLESS: u32 = 20;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Keys below raw; empty for all that is new or changed.
    pub keys: Vec<String>,
    /// Read objects anew under the present contract.
    pub again: bool,
    /// The keys come from events: that an object is gone already is no failure.
    pub arriving: bool,
    /// Other work waits for the time of the run: of gold only what stands below the keys is refreshed.
    pub work_waits: bool,
}

/// A key that this run could not bring to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The key.
    pub key: String,
    /// Whether trying again may help.
    pub class: Class,
    /// The kind of failure, in one word.
    pub kind: &'static str,
    /// The whole chain.
    pub reason: String,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    /// The receipts of all objects that were processed, and of unchanged ones that were named.
    pub receipts: Vec<Receipt>,
    /// Why receipts say `failed`.
    pub troubles: Vec<Trouble>,
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
    /// What it cost.
    pub measures: Measures,
}

/// Told of each step, for progress bars.
pub trait Progress {
    /// So many objects are known to need work.
    fn expect(&self, objects: usize);
    /// An object is finished.
    fn finish(&self, receipt: &Receipt);
}

struct Walk<'a> {
    run: &'a Run,
    request: &'a Request,
    progress: &'a dyn Progress,
    summary: Summary,
    claims: Claims<'a>,
    restless: HashMap<String, u32>,
    /// Gold as it stood when objects were looked at last.
    looked: Option<gold::Looked>,
    /// Gold as the last batch left it, while nothing was looked at since.
    latest: Option<Vec<GoldEntry>>,
    /// The present fingerprint of each source, by table.
    fingerprints: HashMap<String, String>,
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
        claims: Claims::new(run, request.again),
        restless: HashMap::new(),
        looked: None,
        latest: None,
        fingerprints: HashMap::new(),
    };
    let (conflicts, published) = (run.tables.conflicts(), run.lake.published());
    let mut pending = walk.keys().await?;
    let mut quiet_since = Instant::now();
    let mut round = 0;
    while let Some(next) = pending.first() {
        if run.budget.check(next).is_err() {
            // There is no time for these any more: they are not begun.
            walk.give_up(pending, |key| Error::OutOfTime { key });
            break;
        }
        let began = Instant::now();
        let (batch, held) = walk.claim(&mut pending);
        walk.summary.measures.step("look", began.elapsed());
        if batch.is_empty() {
            if quiet_since.elapsed() > run.patience() {
                let seconds = run.settings.patience_seconds;
                walk.give_up(held, |key| Error::Held { key, seconds });
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
    let gold = match walk.latest.take() {
        Some(gold) => gold,
        None => walk.refresh_gold(&[]).await?,
    };
    walk.retell(&gold);
    walk.summary.measures.conflicts = run.tables.conflicts() - conflicts;
    walk.summary.measures.bytes_out = run.lake.published() - published;
    Ok(walk.summary)
}

/// Looks at gold, and at the tables that objects with these keys would go to: what is known before the claims need not be
/// looked at after them. Tables of a folder are looked at when they are needed.
fn look_ahead(run: &Part, keys: &[String]) -> Result<gold::Looked> {
    if run.lake.is_local() {
        return gold::look(run);
    }
    let sources = keys.iter().filter_map(|key| Source::of_key(&run.project, key).ok());
    let own = sources.flat_map(|source| source.tables());
    let tables: BTreeSet<String> = own.chain([quarantine::PATH.to_owned()]).collect();
    let runtime = Handle::current();
    let look = || {
        let _inside = runtime.enter();
        run.tables.look_lately(tables, Needs::Files)
    };
    let (seen, gold) = both(look, || gold::look(run));
    seen?;
    gold.map(gold::Looked::as_of_now)
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
        let mut listing = self.run.lake.keys()?;
        self.summary.ignored = listing.ignored;
        for name in &listing.refused {
            let reason = "the name is no UTF-8".to_owned();
            self.fail(name, &Error::Key { key: name.clone(), reason }, None);
        }
        let mut keys: BTreeSet<String> = std::mem::take(&mut listing.keys).into_iter().collect();
        for stored in receipt::all(&self.run.lake)? {
            if let Some(state) = &stored.state {
                keys.insert(state.key.clone());
                let (key, glimpse) = (state.key.clone(), listing.glimpses.remove(&state.key));
                self.claims.remember(&key, stored, glimpse);
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
            let contract = table.properties.get(CONTRACT).and_then(|text| serde_json::from_str::<Contract>(text).ok());
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
    fn claim(&mut self, pending: &mut Vec<String>) -> (Vec<Claimed>, Vec<String>) {
        let limit = if self.request.again { usize::MAX } else { BATCH };
        let (mut batch, mut held) = (Vec::new(), Vec::new());
        while batch.len() < limit && !pending.is_empty() {
            let keys: Vec<String> = pending.drain(..pending.len().min(limit - batch.len())).collect();
            for (key, look) in self.look_at(&keys) {
                self.sort_out(key, look, (&mut batch, &mut held));
            }
        }
        self.progress.expect(batch.len());
        (batch, held)
    }

    /// Looks at keys, at as many at once as is worth it, and at the tables beside them; then claims those with work.
    fn look_at<'k>(&mut self, keys: &'k [String]) -> Vec<(&'k String, Result<Look>)> {
        let (part, claims): (&Part, _) = (self.run, &self.claims);
        let (width, runtime) = (part.lake.width(), Handle::current());
        let see = || parallel(width, keys, |key| claims.see(key));
        let (sights, looked) = block_in_place(|| both(see, || look_ahead(part, keys)));
        self.looked = looked.inspect_err(|error| tracing::debug!(error = error.chain(), "no look ahead")).ok();
        let (mut seen, mut looks) = (Vec::new(), Vec::new());
        for (key, sight) in keys.iter().zip(sights) {
            match sight {
                Ok(sight) => seen.push((key, sight)),
                Err(error) => looks.push((key, Err(error))),
            }
        }
        let claim = |(key, sight): &(&String, Sight)| runtime.block_on(claims.claim(key, sight));
        let claimed = block_in_place(|| parallel(width, &seen, claim));
        looks.extend(seen.into_iter().map(|(key, _)| key).zip(claimed));
        looks
    }

    fn sort_out(&mut self, key: &str, look: Result<Look>, (batch, held): (&mut Vec<Claimed>, &mut Vec<String>)) {
        match look {
            Ok(Look::Absent) if !self.request.keys.is_empty() && !self.request.arriving => {
                let reason = "there is no such raw object".to_owned();
                self.fail(key, &Error::Key { key: key.to_owned(), reason }, None);
            }
            Ok(Look::Absent) => {}
            Ok(Look::Kept) => self.summary.kept.push(key.to_owned()),
            Ok(Look::Held) => held.push(key.to_owned()),
            Ok(Look::Unchanged(receipt)) => self.unchanged(*receipt),
            Ok(Look::Claimed(claimed)) => batch.push(*claimed),
            Err(error) => self.fail(key, &error, None),
        }
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
        let began = Instant::now();
        for (source, group, outcome) in publish_all(self.run, self.request.again, groups.into_values().collect()) {
            self.take_up((&source, &group), outcome, &mut outcomes)?;
        }
        self.summary.measures.step("publish", began.elapsed());
        self.claims.published();
        let gold = self.refresh_gold(&outcomes.published).await?;
        self.latest = Some(gold.clone());
        let (mut seen, mut again) = (Vec::new(), Vec::new());
        for published in outcomes.published {
            match failed_below(&self.run.project, &published, &gold) {
                None => seen.push(published),
                // Its receipt would say that gold has seen it.
                Some(error) => self.fail(&published.claimed.key, &error, Some(&published.claimed)),
            }
        }
        let began = Instant::now();
        let finishing = Finishing { lake: &self.run.lake, project: &self.run.project, gold: &gold };
        let finished = parallel(self.run.lake.width(), &seen, |published| finishing.finish(published));
        for (published, finished) in seen.into_iter().zip(finished) {
            again.extend(self.finish(published, finished));
        }
        self.summary.measures.step("receipts", began.elapsed());
        for (claimed, error) in outcomes.failed {
            self.fail(&claimed.key, &error, Some(&claimed));
        }
        for claimed in outcomes.moved {
            again.extend(self.once_more(claimed));
        }
        Ok(again)
    }

    fn take_up(
        &mut self,
        (source, claims): (&Source<'_>, &[Claimed]),
        outcome: Result<Outcome>,
        outcomes: &mut Outcome,
    ) -> Result<()> {
        match outcome {
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
                for claimed in claims {
                    self.fail(&claimed.key, &error, Some(claimed));
                }
                Ok(())
            }
        }
    }

    /// Refreshes gold, first what stands below the objects of this run; the summary keeps what the run did to each table.
    async fn refresh_gold(&mut self, published: &[Published]) -> Result<Vec<GoldEntry>> {
        let began = Instant::now();
        let finished = self.summary.receipts.iter().flat_map(Receipt::tables);
        let silver: Vec<String> = published.iter().flat_map(Published::tables).chain(finished).collect();
        let now = gold::refresh(self.run, self.looked.take(), (&silver, self.request.work_waits)).await?;
        self.summary.measures.step("gold", began.elapsed());
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

    /// Receipts of unchanged objects that were named tell how gold stands now.
    fn retell(&mut self, gold: &[GoldEntry]) {
        for receipt in self.summary.receipts.iter_mut().filter(|receipt| receipt.status == Status::Unchanged) {
            let below = gold::downstream(&self.run.project, &receipt.tables());
            receipt.gold = gold.iter().filter(|entry| below.contains(&entry.table)).cloned().collect();
        }
    }

    /// Takes up what became of an object at its end; its key, when it is to be looked at again.
    fn finish(&mut self, published: Published, finished: Result<Finished>) -> Option<String> {
        let key = published.claimed.key.clone();
        let (receipt, now) = match finished {
            Ok(Finished::Done(receipt, now)) => (*receipt, now),
            Ok(Finished::Lost) => return self.once_more(published.claimed),
            Ok(Finished::Kept) => {
                self.summary.kept.push(key);
                return None;
            }
            Err(error) => {
                self.fail(&key, &error, Some(&published.claimed));
                return None;
            }
        };
        self.progress.finish(&receipt);
        let changed = now != receipt.version;
        self.summary.receipts.retain(|former| former.key != key);
        self.summary.receipts.push(receipt);
        self.claims.finish(&key);
        let vanished = now.is_none() && self.claims.keeps(&key);
        (changed && !vanished).then_some(key)
    }

    fn give_up(&mut self, keys: Vec<String>, why: impl Fn(String) -> Error) {
        for key in keys {
            self.fail(&key, &why(key.clone()), None);
        }
    }

    /// The whole chain, and what a person types where a larger machine is needed.
    fn reason(&self, key: &str, error: &Error) -> String {
        let Error::TooLarge { .. } = error else { return error.chain() };
        let project = if self.run.project.name.is_empty() { "" } else { " --project DIR" };
        let (lake, key) = (self.run.lake.address(), key.replace('\'', r"'\''"));
        format!("{}: pintail ingest --lake {lake}{project} '{key}'", error.chain())
    }

    fn fail(&mut self, key: &str, error: &Error, claimed: Option<&Claimed>) {
        let reason = self.reason(key, error);
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
            passed: Passed::default(),
            warnings: BTreeMap::new(),
            silver: Vec::new(),
            gold: Vec::new(),
            bytes: object.map_or(0, |object| object.stamp.size),
            started_at,
            duration_ms: milliseconds_since(started_at),
            error: Some(reason.clone()),
            contract: String::new(),
            options: None,
            stamp: None,
        };
        let (class, kind) = error.class();
        self.summary.troubles.push(Trouble { key: key.to_owned(), class, kind, reason });
        self.progress.finish(&receipt);
        self.summary.receipts.push(receipt);
    }
}

/// Publishes the groups, some side by side where that means to wait for requests side by side.
fn publish_all(run: &Run, again: bool, groups: Vec<Vec<Claimed>>) -> Vec<(Source<'_>, Vec<Claimed>, Result<Outcome>)> {
    let lanes = run.lake.width().min(groups.len()).min(SOURCES);
    let (project, runtime) = (&*run.project, Handle::current());
    let one = |run: &Run, group: &Vec<Claimed>| {
        let nowhere = || Source { table: String::new(), declared: None, models: Vec::new(), refused: None };
        let source = group.first().map(|first| Source::of_key(project, &first.key));
        let source = source.map_or_else(nowhere, |source| source.unwrap_or_else(Source::refused));
        let outcome = runtime.block_on(publish(run, &source, group.clone(), again));
        (source, outcome)
    };
    let published = block_in_place(|| match lanes {
        // In this thread, with the `DuckDB` that is there.
        0 | 1 => groups.iter().map(|group| one(run, group)).collect(),
        _ => {
            let part = run.part(lanes);
            parallel(lanes, &groups, |group| one(&part.work(), group))
        }
    });
    groups.into_iter().zip(published).map(|(group, (source, outcome))| (source, group, outcome)).collect()
}

/// The end of a batch: receipts, and the second look.
struct Finishing<'a> {
    lake: &'a Lake,
    project: &'a Project,
    gold: &'a [GoldEntry],
}

/// What became of an object at its end.
enum Finished {
    /// Its receipt is written; the version that a second look found.
    Done(Box<Receipt>, Option<String>),
    /// Its rows stay, and nothing else is said.
    Kept,
    /// Another worker took it over.
    Lost,
}

impl Finishing<'_> {
    /// Writes the receipt and looks again.
    fn finish(&self, published: &Published) -> Result<Finished> {
        let (key, stored) = (published.claimed.key.clone(), &published.claimed.stored);
        if published.claimed.stays {
            stored.swap(self.lake, State { key, claim: None, done: stored.done().cloned() })?;
            return Ok(Finished::Kept);
        }
        let receipt = self.receipt(published);
        let state = State { key: key.clone(), claim: None, done: Some(receipt.clone()) };
        if stored.swap(self.lake, state)?.is_none() {
            return Ok(Finished::Lost);
        }
        let known = receipt.stamp.as_ref().zip(receipt.version.as_deref());
        let now = self.lake.look(&key, known)?.map(|object| object.version);
        Ok(Finished::Done(Box::new(receipt), now))
    }

    fn receipt(&self, published: &Published) -> Receipt {
        let claimed = &published.claimed;
        let source = Source::of_key(self.project, &claimed.key).ok();
        let rows = published.rows.as_ref();
        let quarantined = rows.map_or(0, |rows| rows.records - rows.accepted);
        let status = match rows {
            None => Status::Withdrawn,
            Some(rows) if rows.accepted == 0 && rows.records > 0 => Status::Quarantined,
            Some(_) => Status::Ingested,
        };
        let below = gold::downstream(self.project, &published.tables());
        Receipt {
            source: source.as_ref().map(Source::name).unwrap_or_default(),
            key: claimed.key.clone(),
            version: claimed.object.as_ref().map(|object| object.version.clone()),
            status,
            records: rows.map_or(0, |rows| rows.records),
            accepted: rows.map_or(0, |rows| rows.accepted),
            quarantined,
            passed: rows.map(|rows| rows.passed).unwrap_or_default(),
            warnings: rows.map(|rows| rows.warnings.clone()).unwrap_or_default(),
            silver: published.silver.clone(),
            gold: self.gold.iter().filter(|entry| below.contains(&entry.table)).cloned().collect(),
            bytes: claimed.object.as_ref().map_or(0, |object| object.stamp.size),
            started_at: claimed.started_at,
            duration_ms: milliseconds_since(claimed.started_at),
            error: rows.and_then(|rows| rows.refused.clone()),
            contract: source.map(|source| source.fingerprint(self.project)).unwrap_or_default(),
            options: rows.and_then(|rows| rows.options.clone()),
            stamp: claimed.object.as_ref().map(|object| object.stamp.clone()),
        }
    }
}

/// Why gold below an object could not be refreshed.
fn failed_below(project: &Project, published: &Published, gold: &[GoldEntry]) -> Option<Error> {
    let below = gold::downstream(project, &published.tables());
    let failed = gold.iter().find(|entry| entry.status == GoldStatus::Failed && below.contains(&entry.table))?;
    let (table, reason) = (format!("gold/{}", failed.table), failed.reason.clone().unwrap_or_default());
    if failed.is_too_large {
        let (key, object) = (published.claimed.key.clone(), published.claimed.object.as_ref());
        return Some(Error::TooLarge {
            key,
            bytes: object.map_or(0, |object| object.stamp.size),
            reason: format!("{table} below it could not be computed in a whole run: {reason}"),
        });
    }
    Some(Error::Table { table, reason })
}

fn milliseconds_since(time: chrono::DateTime<Utc>) -> u64 {
    u64::try_from((Utc::now() - time).num_milliseconds()).unwrap_or(0)
}

impl Summary {
    /// Whether a file failed or a gold table is withheld.
    pub fn has_failures(&self) -> bool {
        self.receipts.iter().any(|receipt| receipt.status == Status::Failed)
            || self.gold.iter().any(|entry| matches!(entry.status, GoldStatus::Withheld | GoldStatus::Failed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::budget::Budget;
    use crate::lake::{Address, Scratch};
    use crate::report::Silent;
    use crate::run::Warm;
    use crate::settings::Settings;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_there_is_no_time_for_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("raw/visits")).unwrap();
        std::fs::write(folder.path().join("raw/visits/1.csv"), "id\n1\n").unwrap();
        let lake = Arc::new(Lake::open(&Address::folder(folder.path()), &Scratch::default(), None).unwrap());
        let warm = Warm::new(Arc::clone(&lake), Project::empty(), Settings::default());
        let run = warm.begin(Utc::now(), Budget::until(Instant::now())).unwrap();
        let request = Request { keys: vec!["visits/1.csv".to_owned()], arriving: true, ..Request::default() };
        let summary = ingest(&run, &request, &Silent).await.unwrap();
        assert_eq!(summary.troubles.iter().map(|trouble| trouble.kind).collect::<Vec<_>>(), ["OutOfTime"]);
        assert!(receipt::all(&lake).unwrap().is_empty(), "nobody has claimed it");
    }
}
