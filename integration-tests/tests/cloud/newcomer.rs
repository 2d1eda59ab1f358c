//! The lines of the README, as they stand there.

use std::{env::join_paths, fs, process::Command};

use integration_tests::{
    docker::engine,
    images::MINISTACK,
    tools::{aws_cli, programs, run, workspace},
};

/// The lines between a mark of the README and the end of its block.
fn lines(readme: &str, mark: &str) -> String {
    let (_, after) = readme.split_once(&format!("<!-- {mark} -->\n```\n")).unwrap();
    after.split_once("```\n<!-- end -->").unwrap().0.to_owned()
}

#[test]
#[ignore = "needs Docker"]
fn the_lines_of_the_readme_bring_a_file_through() {
    engine().unwrap();
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (come, go) = (lines(&readme, "newcomer"), lines(&readme, "newcomer goes"));
    assert!(come.contains(&MINISTACK.whole()), "the README starts another image than {}", MINISTACK.whole());

    let script = format!("set -eu\nleave() {{\n{go}}}\ntrap leave EXIT\ntrap 'exit 1' TERM\n{come}");
    let aws = aws_cli().unwrap();
    let path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(Into::into);
    let path = join_paths([programs().unwrap(), aws.parent().unwrap().to_owned()].into_iter().chain(path)).unwrap();
    let mut command = Command::new("timeout");
    command.args(["240", "sh", "-c", &script]).current_dir(workspace()).env("PATH", path);
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let said = run(&mut command).unwrap();
    assert!(said.contains("│ 2026-10-01 ┆    200 ┆   958 ┆ 42432.20 ┆"), "{said}");
    assert!(said.contains("orders/2026-10-01.csv") && said.contains("ingested"), "{said}");
}
