//! The address of a lake: a folder with three zones, or three places one by one.

use std::path::{Path, PathBuf};

/// Where the zones of a lake are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What arrives.
    pub raw: Place,
    /// Typed rows.
    pub silver: Place,
    /// What models make of them.
    pub gold: Place,
}

/// Where one zone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, or what stands below a prefix of it.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// Empty, or ending with `/`.
        prefix: String,
    },
}

impl Address {
    /// The lake in a folder, with its zones `raw/`, `silver/` and `gold/`.
    pub fn folder(root: &Path) -> Self {
        let zone = |name: &str| Place::Folder(root.join(name));
        Self { raw: zone("raw"), silver: zone("silver"), gold: zone("gold") }
    }

    /// A folder, or three zones with commas between them: `s3://raw,s3://silver,s3://gold`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::folder(Path::new(text)));
        }
        let [raw, silver, gold] = text.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("{text:?} is no lake: a folder, or three zones, s3://raw,s3://silver,s3://gold"));
        };
        Self::zones(raw, silver, gold)
    }

    /// The lake with these zones, each `s3://bucket`, `s3://bucket/prefix` or a folder.
    ///
    /// # Errors
    /// A sentence that says what is wrong with one of them, or that two of them are one place.
    pub fn zones(raw: &str, silver: &str, gold: &str) -> Result<Self, String> {
        let address = Self { raw: Place::parse(raw)?, silver: Place::parse(silver)?, gold: Place::parse(gold)? };
        let places = [(&address.raw, raw), (&address.silver, silver), (&address.gold, gold)];
        for (at, (place, text)) in places.iter().enumerate() {
            if let Some((_, other)) = places[at + 1..].iter().find(|(other, _)| place.meets(other)) {
                return Err(format!("{text} and {other} are not apart: each zone needs a place of its own"));
            }
        }
        Ok(address)
    }

    /// Whether all zones are folders.
    pub fn is_local(&self) -> bool {
        [&self.raw, &self.silver, &self.gold].iter().all(|place| matches!(place, Place::Folder(_)))
    }
}

impl Place {
    /// `s3://bucket`, `s3://bucket/prefix` or a folder.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err("a zone is empty".to_owned()) } else { Ok(Self::Folder(text.into())) };
        };
        if scheme != "s3" {
            return Err(format!("{text:?}: only s3:// and folders can be zones"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.len() < 3 || !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Err(format!("{text:?}: {bucket:?} is no name of a bucket"));
        }
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix })
    }

    /// Whether one is the other or within it.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => one.starts_with(other) || other.starts_with(one),
            (Self::Bucket { bucket, prefix }, Self::Bucket { bucket: other, prefix: below }) => {
                bucket == other && (prefix.starts_with(below) || below.starts_with(prefix))
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Place};

    #[test]
    fn three_zones_or_one_folder_are_a_lake() {
        let bucket =
            |bucket: &str, prefix: &str| Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        let zones = Address::parse("s3://one,s3://two/a/b,s3://two/c/").unwrap();
        assert_eq!(
            (zones.raw, zones.silver, zones.gold),
            (bucket("one", ""), bucket("two", "a/b/"), bucket("two", "c/"))
        );
        assert_eq!(Address::parse("here/lake").unwrap().raw, Place::Folder("here/lake/raw".into()));
    }

    #[test]
    fn what_is_no_lake_is_told() {
        let wrong = |text: &str| Address::parse(text).unwrap_err();
        assert_eq!(
            wrong("s3://a-b"),
            "\"s3://a-b\" is no lake: a folder, or three zones, s3://raw,s3://silver,s3://gold"
        );
        assert_eq!(wrong("s3://one,gs://two,s3://six"), "\"gs://two\": only s3:// and folders can be zones");
        assert_eq!(wrong("s3://one,s3://two,s3://o%"), "\"s3://o%\": \"o%\" is no name of a bucket");
        assert_eq!(
            wrong("s3://one,s3://two/a,s3://two"),
            "s3://two/a and s3://two are not apart: each zone needs a place of its own"
        );
    }
}
