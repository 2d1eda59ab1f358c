//! The folder that an image is built from, as docker sees it: without what `.dockerignore` leaves out.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::Error;

const IGNORED: &str = ".dockerignore";

/// A folder to build from.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    folder: &'a Path,
    /// Its `.dockerignore`.
    pub(crate) ignored: String,
    rules: Vec<Rule>,
}

/// A line of `.dockerignore`.
#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    leaves_out: bool,
}

impl<'a> Context<'a> {
    /// The folder, with its list; without one docker sees everything.
    pub(crate) fn read(folder: &'a Path) -> Result<Self, Error> {
        let path = folder.join(IGNORED);
        let ignored = match fs::read_to_string(&path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| file("read", &path, source))?,
        };
        let rules = ignored.lines().filter_map(Rule::of).collect::<Result<_, _>>()?;
        Ok(Self { folder, ignored, rules })
    }

    /// Adds the files at or below `path` (relative to the folder) that docker sees; none where nothing is there.
    pub(crate) fn collect(&self, path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
        let whole = self.folder.join(path);
        let kind = match fs::metadata(&whole) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            kind => kind.map_err(|source| file("read", &whole, source))?,
        };
        if !kind.is_dir() {
            files.extend((!self.leaves_out(path)).then(|| path.to_owned()));
            return Ok(());
        }
        for entry in fs::read_dir(&whole).map_err(|source| file("list", &whole, source))? {
            let name = entry.map_err(|source| file("list", &whole, source))?.file_name();
            self.collect(&path.join(name), files)?;
        }
        Ok(())
    }

    /// The last rule that names the file, or a folder that it lies in, decides.
    fn leaves_out(&self, path: &Path) -> bool {
        let names = |rule: &&Rule| path.ancestors().any(|path| rule.pattern.is_match(path));
        self.rules.iter().rev().find(names).is_some_and(|rule| rule.leaves_out)
    }
}

impl Rule {
    fn of(line: &str) -> Option<Result<Self, Error>> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let pattern = line.strip_prefix('!').unwrap_or(line);
        let glob = GlobBuilder::new(pattern.trim_matches('/')).literal_separator(true).build();
        let refused = |source: globset::Error| Error::Refused(format!("{IGNORED}: {source}"));
        let leaves_out = pattern == line;
        Some(glob.map(|glob| Self { pattern: glob.compile_matcher(), leaves_out }).map_err(refused))
    }
}

/// The failure of a file of the folder.
pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::Context;

    #[test]
    fn the_last_rule_that_names_a_file_decides() {
        let folder = tempfile::tempdir().unwrap();
        let rules = "# words\n*\n\n!pipeline\n/pipeline/logs/\n**/target\n!target/image/bootstrap\npipeline/*.md\n";
        fs::write(folder.path().join(".dockerignore"), rules).unwrap();
        let context = Context::read(folder.path()).unwrap();
        let seen = |path: &&str| !context.leaves_out(Path::new(path));
        let all = [
            "README.md",
            "pipeline/README.md",
            "pipeline/models/README.md",
            "pipeline/models/a.sql",
            "pipeline/logs/dbt.log",
            "pipeline/target/run/a.sql",
            "target/debug/stack",
            "target/image/bootstrap",
        ];
        let some = ["pipeline/models/README.md", "pipeline/models/a.sql", "target/image/bootstrap"];
        assert_eq!(all.into_iter().filter(seen).collect::<Vec<_>>(), some);
    }
}
