//! Programs of others read every table from S3, and see what `pintail query` sees.

use integration_tests::tools::{programs, python};

use crate::lakes;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn four_other_readers_see_every_table_as_query_does() {
    let (lake, _shop) = (lakes::ministack().await, lakes::shop().await);
    lakes::open_shop(lake).await;
    let (pintail, spark) = (programs().unwrap().join("pintail"), python("pyspark.txt").unwrap());
    let address = lake.address().unwrap();
    let arguments = [pintail.to_str().unwrap(), &address, spark.to_str().unwrap()];
    let compared = lake.python("requirements.txt", "readers.py", &arguments).unwrap();
    for reader in ["deltalake", "polars", "duckdb", "spark"] {
        let same = compared.lines().filter(|line| line.contains(reader) && line.ends_with(" same")).count();
        assert!(same >= 16, "{reader} has read {same} tables:\n{compared}");
    }
}
