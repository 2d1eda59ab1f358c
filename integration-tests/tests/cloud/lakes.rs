//! Lakes that stories share, because a deployment takes longer than a story. Each story has keys of its own in them.

use std::path::PathBuf;

use integration_tests::{Lake, tools::workspace};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A lake that the deployer made, under the rights of its role.
pub(crate) async fn ministack() -> &'static Lake {
    static LAKE: OnceCell<Lake> = OnceCell::const_new();
    LAKE.get_or_try_init(Lake::ministack).await.unwrap()
}

/// A lake on a strict S3, with the harness between queue and function.
pub(crate) async fn localstack() -> &'static Lake {
    static LAKE: OnceCell<Lake> = OnceCell::const_new();
    LAKE.get_or_try_init(Lake::localstack).await.unwrap()
}

/// A lake whose stack stories change, one after the other. What fails there comes again soon.
pub(crate) async fn workshop() -> MutexGuard<'static, Lake> {
    static LAKE: OnceCell<Mutex<Lake>> = OnceCell::const_new();
    let made = LAKE.get_or_init(|| async {
        let lake = Lake::ministack().await.unwrap();
        lake.set_visibility(5).await.unwrap();
        Mutex::new(lake)
    });
    made.await.lock().await
}

/// The files of the shop, which more than one story sends: one after the other.
pub(crate) async fn shop() -> MutexGuard<'static, ()> {
    static SHOP: Mutex<()> = Mutex::const_new(());
    SHOP.lock().await
}

/// The files of the shop are in the lake, and it has done its work on them.
pub(crate) async fn open_shop(lake: &Lake) {
    if lake.keys("RawBucketName", "web_visits/").await.unwrap().is_empty() {
        lake.put_folder(&sample("raw")).unwrap();
    }
    lake.settled().await.unwrap();
}

/// A folder of the sample project.
pub(crate) fn sample(path: &str) -> PathBuf {
    workspace().join("pipeline/sample").join(path)
}
