//! `bootstrap` loads on Amazon Linux 2023 (glibc 2.34, libgcc of GCC 11), wherever it was built.

use std::collections::BTreeSet;
use std::process::Command;

/// The newest versions that are there, by the prefix of their names.
const NEWEST: [(&str, &[u32]); 2] = [("GLIBC_", &[2, 34]), ("GCC_", &[11, 0, 0])];

/// The libraries that are there; libstdc++ is not.
const LIBRARIES: [&str; 4] = ["ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6"];

/// What `objdump -p` says of the program.
fn headers() -> String {
    let output = Command::new("objdump").args(["-p", env!("CARGO_BIN_EXE_bootstrap")]).output().expect("start objdump");
    assert!(output.status.success(), "objdump: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the list of libraries is that of x86_64")]
fn it_needs_no_library_but_those_of_the_base_image() {
    let headers = headers();
    let needed: BTreeSet<&str> =
        headers.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")).map(str::trim).collect();
    assert_eq!(needed, BTreeSet::from(LIBRARIES));
}

#[test]
fn it_needs_no_newer_symbols_than_the_base_image_has() {
    let headers = headers();
    let (_, references) = headers.split_once("Version References:").expect("objdump lists the versions");
    let versions: Vec<&str> = references.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert!(versions.iter().any(|version| version.starts_with("GLIBC_")), "{references}");
    for version in versions {
        let (prefix, newest) = NEWEST.iter().find(|(prefix, _)| version.starts_with(prefix)).expect(version);
        let number: Vec<u32> = version[prefix.len()..].split('.').map(|part| part.parse().expect(version)).collect();
        assert!(
            number.as_slice() <= *newest,
            "{version} is newer than {prefix}{newest:?}: build.rs has to bring it along"
        );
    }
}
