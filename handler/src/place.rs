//! A place: a folder, or a prefix of an S3 bucket, as settings name zones and projects.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a zone or a project stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket {
        /// The bucket's name.
        name: String,
        /// What its keys begin with: empty, or with a `/` at its end.
        prefix: String,
    },
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err("it is empty") } else { Ok(Self::Folder(text.into())) };
        };
        if scheme != "s3" {
            return Err("it is neither a folder nor s3://bucket/prefix");
        }
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        if name.is_empty() {
            return Err("it names no bucket");
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self::Bucket { name: name.to_owned(), prefix })
    }
}

impl Place {
    /// Whether one holds the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => one.starts_with(other) || other.starts_with(one),
            (Self::Bucket { name, prefix }, Self::Bucket { name: other_name, prefix: other_prefix }) => {
                name == other_name && (prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(formatter, "{}", folder.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(formatter, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(formatter, "s3://{name}/{}", prefix.trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_written_as_it_was_read() {
        for text in ["/lake/raw", "raw", "s3://bucket", "s3://bucket/a/b"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse::<Place>().unwrap().to_string(), "s3://bucket/a");
    }

    #[test]
    fn a_prefix_ends_where_a_folder_ends() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("s3://b/raw").overlaps(&place("s3://b/raw/in")));
        assert!(place("s3://b").overlaps(&place("s3://b/raw")));
        assert!(!place("s3://b/raw").overlaps(&place("s3://b/raw2")));
        assert!(!place("s3://b/raw").overlaps(&place("s3://c/raw")));
        assert!(!place("/lake/raw").overlaps(&place("/lake/raw2")));
    }
}
