//! What stands under a source's `meta`: our own keys beside foreign ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::configuration::Config;
use super::error::{Errors, nearest};
use super::properties::SourceProperties;
use super::yaml::{Entry, Node, Reader, Value};

/// Our own keys, and those of dbt-duckdb that matter here.
const META: [&str; 24] = [
    "format",
    "compression",
    "delimiter",
    "quote",
    "escape",
    "encoding",
    "header",
    "preamble",
    "comment",
    "ragged",
    "trim",
    "decimal_separator",
    "concatenated",
    "null_tokens",
    "max_unpacked_bytes",
    "max_unpacked_ratio",
    "on_new_column",
    "max_rejects",
    "on_delete",
    "external_location",
    "partition_by",
    "formatter",
    "plugin",
    "required",
];

/// Words that each stand for a value.
type Words<T> = [(&'static str, T)];

/// The keys of one source table: the nearest of each name, with the file it stands in.
pub(super) struct Meta(BTreeMap<String, (Entry, PathBuf)>);

impl Meta {
    pub(super) fn of(properties: &SourceProperties, config: &Config, errors: &mut Errors) -> Self {
        let mut entries = BTreeMap::new();
        let outer = config.setting("meta").map(|setting| (setting.node.entries(), &setting.place.file));
        for (given, file) in outer.into_iter().chain([(properties.meta.as_slice(), &properties.place.file)]) {
            for entry in given {
                entries.insert(entry.key.clone(), (entry.clone(), file.clone()));
            }
        }
        let meta = Self(entries);
        for (key, reason) in
            [("plugin", "plugins read outside of the raw zone"), ("required", "it belongs to a column")]
        {
            if let Some((entry, file)) = meta.get(key) {
                let mut reader = Reader { file: file.clone(), errors };
                reader.refuse(entry.line, format!("meta key \"{key}\" is not supported here: {reason}"));
            }
        }
        meta.word("formatter", &[("newstyle", ())], errors);
        for (entry, file) in meta.0.values() {
            refuse_misspelt(entry, &META, &mut Reader { file: file.clone(), errors });
        }
        meta
    }

    /// A key with the file it stands in.
    pub(super) fn get(&self, key: &str) -> Option<&(Entry, PathBuf)> {
        self.0.get(key)
    }

    /// The value of a key, if it is there and not null.
    pub(super) fn read<T>(
        &self,
        key: &str,
        errors: &mut Errors,
        read: impl FnOnce(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        let (entry, file) = self.get(key).filter(|(entry, _)| entry.node.value != Value::Null)?;
        read(&mut Reader { file: file.clone(), errors }, &entry.node)
    }

    /// The value that a word stands for.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &Words<T>, errors: &mut Errors) -> Option<T> {
        self.read(key, errors, |reader, node| {
            let given = node.text().unwrap_or_default();
            let found = words.iter().find(|(word, _)| *word == given.to_lowercase());
            if found.is_none() {
                let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                reader.refuse(node.line, format!("{key} must be {}, not \"{given}\"", allowed.join(" or ")));
            }
            found.map(|(_, value)| *value)
        })
    }
}

/// Foreign keys are welcome under `meta`; a key that is nearly one of ours is a mistake.
pub(super) fn refuse_misspelt(entry: &Entry, own: &[&str], reader: &mut Reader<'_>) {
    if !own.contains(&entry.key.as_str())
        && let Some(near) = nearest(&entry.key, own.iter().copied())
    {
        reader.refuse(entry.line, format!("unknown meta key \"{}\"; did you mean \"{near}\"?", entry.key));
    }
}
