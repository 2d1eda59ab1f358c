//! Links `bootstrap` so that it loads on Amazon Linux 2023, wherever it was built: with libstdc++ inside, and with
//! what that needs of newer C libraries. `tests/function/loads.rs` checks the result.
//!
//! `DuckDB` asks for `-lstdc++`, and the linker takes the first file of that name on its search path. A folder in front
//! that holds nothing but the archive makes it take that.
#![expect(clippy::disallowed_methods, reason = "how cargo speaks to a build script")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What libstdc++ needs and Amazon Linux's C library has not got.
const NEWER: &str = "link/arc4random.c";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={NEWER}");
    let of_target = |name: &str| std::env::var(name);
    if of_target("CARGO_CFG_TARGET_OS")? != "linux" || of_target("CARGO_CFG_TARGET_ENV")? != "gnu" {
        return Ok(());
    }
    let out = PathBuf::from(of_target("OUT_DIR")?);
    let folder = out.join("static");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(archive()?, folder.join("libstdc++.a"))?;
    println!("cargo::rustc-link-arg-bin=bootstrap=-L{}", folder.display());
    println!("cargo::rustc-link-arg-bin=bootstrap={}", compiled(&out)?.display());
    Ok(())
}

/// The object file of [`NEWER`].
fn compiled(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let object = out.join("arc4random.o");
    let output = Command::new("gcc").args(["-O2", "-Wall", "-Werror", "-c", NEWER, "-o"]).arg(&object).output()?;
    if !output.status.success() {
        return Err(format!("gcc {NEWER}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(object)
}

/// Where the compiler keeps libstdc++ as an archive.
fn archive() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new("gcc").arg("-print-file-name=libstdc++.a").output()?;
    let path = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    // Without the archive, gcc repeats the name.
    if !path.is_absolute() {
        return Err("gcc has no libstdc++.a: install it (Amazon Linux, Fedora: libstdc++-static)".into());
    }
    Ok(path)
}
