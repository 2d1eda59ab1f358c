//! The function dies at work (SIGKILL), at several points; the queue gives its messages to the next one.

use std::time::Duration;

use integration_tests::{Error, Lake, eventually, tools::variable};
use serde_json::json;
use tokio::task::JoinSet;

use crate::lakes;

/// More than the function has done when the first kill reaches it.
const FILES: usize = 20;

/// How many objects the function writes between two kills; 1 is every point, and takes long.
fn step() -> usize {
    variable("PINTAIL_KILL_STEP").map_or(24, |step| step.parse().unwrap())
}

/// Objects that there are of a table and of receipts: claims, data files, commits.
async fn written(lake: &Lake, table: &str) -> Result<usize, Error> {
    let of_table = lake.keys("SilverBucketName", &format!("{table}/")).await?;
    Ok(of_table.len() + lake.keys("SilverBucketName", "_pintail/receipts/").await?.len())
}

/// Sends the files of a table, and kills the function when it has written so many objects. Whether there was work left.
async fn kill_after(lake: &'static Lake, table: &str, objects: usize) -> bool {
    let wanted = written(lake, table).await.unwrap() + objects;
    let put = |file| {
        let (key, text) = (format!("{table}/{file}.csv"), format!("id,half\n{file},a\n{},b\n", file + FILES));
        async move { lake.put(&key, text).await }
    };
    let puts: JoinSet<_> = (0..FILES).map(put).collect();
    puts.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    let arrivals = lake.output("ArrivalsUrl").unwrap();
    let look = || async { Ok((written(lake, table).await?, lake.waiting(arrivals).await?)) };
    let reached = |seen: &(usize, (u32, u32))| seen.0 >= wanted || (seen.0 > wanted - objects && seen.1 == (0, 0));
    eventually(("objects are written", Duration::from_mins(1)), look, reached).await.unwrap();
    lake.function.as_ref().unwrap().kill().await.unwrap();
    lake.waiting(arrivals).await.unwrap() != (0, 0)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_killed_function_loses_nothing_and_doubles_nothing() {
    let lake = lakes::localstack().await;
    lake.set_visibility(3).await.unwrap();
    let mut kills = 0;
    for objects in (1..).step_by(step()) {
        let table = format!("killed_after_{objects}");
        let had_work = kill_after(lake, &table, objects).await;
        lake.settled().await.unwrap();
        let sql = format!(
            "SELECT count(*), count(DISTINCT id), sum(id)::INT, count(DISTINCT _source_key) FROM silver.{table}"
        );
        let count = 2 * FILES;
        assert_eq!(lake.rows(&sql).unwrap(), json!([[count, count, count * (count - 1) / 2, FILES]]), "{table}");
        if !had_work {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0, "no kill met the function at work");
    let audit = lake.pintail("audit", &["--project", lake.context.project().to_str().unwrap()]).unwrap();
    assert!(audit.ends_with("everything agrees\n"), "{audit}");
}
