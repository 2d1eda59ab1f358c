//! The demonstration and the starter project: folders that are carried in the binary.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::error::{Error, Result};

static PIPELINE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../pipeline");
static STARTER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/starter");

/// What the demonstration shows of the lake.
pub const QUERIES: [(&str, &str); 2] = [
    ("a gold table: SELECT * FROM gold.orders_by_day", include_str!("sql/demo_gold.sql")),
    (
        "records that were not accepted, and why: SELECT ... FROM silver.quarantine",
        include_str!("sql/demo_quarantine.sql"),
    ),
];

/// Writes the sample into a lake's folder: the raw files to `raw/`, the project to `project/`. Returns the latter.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for a folder that holds something else.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let project = folder.join("project");
    if is_used(folder)? && !project.join("dbt_project.yml").is_file() {
        return Err(Error::Usage(format!("{} is not empty and not the demo's; name another folder", folder.display())));
    }
    for file in files(&PIPELINE) {
        let target = match file.path().strip_prefix("sample/raw") {
            Ok(raw) => folder.join("raw").join(raw),
            Err(_) if file.path().starts_with("sample") => continue,
            Err(_) => project.join(file.path()),
        };
        write_changed(&target, file.contents())?;
    }
    Ok(project)
}

/// Writes a starter project into a new or empty folder.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for a folder that is not empty.
pub fn init(folder: &Path) -> Result<()> {
    if is_used(folder)? {
        return Err(Error::Usage(format!("{} is not empty; name a new folder", folder.display())));
    }
    files(&STARTER).into_iter().try_for_each(|file| write_changed(&folder.join(file.path()), file.contents()))
}

fn is_used(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("list", folder)(error)),
    }
}

fn files<'a>(folder: &'a Dir<'a>) -> Vec<&'a include_dir::File<'a>> {
    folder.dirs().flat_map(files).chain(folder.files()).collect()
}

/// A file that is there already with the same content keeps its time, and so its version at a glance.
fn write_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    std::fs::write(path, contents).map_err(Error::io("write", path))
}

/// What to try after the demonstration.
pub fn next_steps(folder: &Path) -> String {
    let lake = folder.display();
    format!(
        "\nnext, try (`cargo run --` stands for `pintail` in the repository):\n  \
         pintail query --lake {lake} \"SELECT * FROM gold.revenue_by_country ORDER BY revenue DESC\"\n  \
         pintail quarantine --lake {lake}\n  \
         pintail audit --lake {lake} --project {lake}/project\n  \
         put a corrected file over one in {lake}/raw/orders and run: pintail ingest --lake {lake} --project {lake}/project"
    )
}
