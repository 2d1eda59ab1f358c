//! Other ways of an upload to the function, by options of the stack; and what stays when the stack goes.

use std::fs;

use integration_tests::Lake;
use serde_json::json;

const STAGES: &str = "\
[stage.direct]
stack = 'pintail'
options.trigger = 'direct'
[stage.event-bridge]
stack = 'pintail'
options.trigger = 'event-bridge'
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_file_comes_through_directly_and_by_event_bridge_and_stays_when_the_stack_goes() {
    let mut lake = Lake::plan().await.unwrap();
    let stages = lake.cloud.file("stages.toml");
    fs::write(&stages, STAGES).unwrap();
    let stages = stages.to_str().unwrap().to_owned();
    let stage = |name: &'static str| ["--stages", &stages, "--stage", name];

    lake.deploy(&stage("direct")).unwrap();
    assert!(lake.output("ArrivalsUrl").is_err(), "there is no queue: {:?}", lake.outputs);
    lake.put("ways/a b+c.csv", "way\ndirect\n").await.unwrap();
    lake.settled().await.unwrap();

    lake.deploy(&stage("event-bridge")).unwrap();
    lake.put("ways/d e+f%20é.csv", "way\nevent bridge\n").await.unwrap();
    lake.settled().await.unwrap();
    let sql = "SELECT way, _source_key FROM silver.ways ORDER BY way";
    let rows = json!([["direct", "ways/a b+c.csv"], ["event bridge", "ways/d e+f%20é.csv"]]);
    assert_eq!(lake.rows(sql).unwrap(), rows);

    let destroyed =
        lake.cloud.stack(&[&["destroy", "--confirm", "pintail"], &stage("event-bridge")[..]].concat()).unwrap();
    assert_eq!(destroyed["existed"], json!(true), "{destroyed}");
    assert_eq!(lake.rows(sql).unwrap(), rows, "the data is still there");
    let error = lake.invoke(&json!({"refresh": true})).await.unwrap_err().to_string();
    assert!(error.contains("ResourceNotFoundException"), "{error}");
}
