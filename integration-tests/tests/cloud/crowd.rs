//! Many files at once: workers meet at the same tables.

use std::fs;

use serde_json::json;

use crate::lakes;

const FILES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn two_hundred_files_at_once_are_all_there_each_once() {
    let lake = lakes::ministack().await;
    let folder = lake.cloud.file("crowd");
    fs::create_dir_all(folder.join("crowd")).unwrap();
    for number in 0..FILES {
        let first = number * 3;
        let text = format!("id,file\n{first},{number}\n{},{number}\n{},{number}\n", first + 1, first + 2);
        fs::write(folder.join(format!("crowd/{number:03}.csv")), text).unwrap();
    }
    lake.put_folder(&folder).unwrap();
    lake.settled().await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT id), min(id), max(id), count(DISTINCT _source_key), \
               count(*) FILTER (WHERE id // 3 <> file OR _source_key <> format('crowd/{:03d}.csv', file)) FROM silver.crowd";
    assert_eq!(lake.rows(sql).unwrap(), json!([[3 * FILES, 3 * FILES, 0, 3 * FILES - 1, FILES, 0]]));
    assert_eq!(lake.waiting(lake.output("DeadLettersUrl").unwrap()).await.unwrap(), (0, 0));
}
