//! Crash: a process dies before its n-th write, for each n, and the next one must make everything good.

use crate::files::{File, Packing};
use crate::setting;
use crate::world::{Run, World};

/// A lake, prepared once.
pub(crate) struct Scenario {
    name: &'static str,
    before: World,
}

impl Scenario {
    pub(crate) fn new(name: &'static str, prepare: impl Fn(&World)) -> Self {
        let before = World::new();
        prepare(&before);
        Self { name, before }
    }

    /// Changes a copy of the lake and lets a process die before its first write, its second, and so on until one ends
    /// by itself. Each lake must settle afterwards.
    pub(crate) fn die_before_each_write(&self, change: impl Fn(&World)) {
        let step = usize::try_from(setting("PINTAIL_FAULT_STEP", 5)).expect("PINTAIL_FAULT_STEP is small").max(1);
        let mut points = 0;
        for fault in (1..).step_by(step) {
            let world = self.before.copy();
            change(&world);
            let done = world.spawn(&Run { fault: Some(fault), ..Run::whole() }).finish();
            let ended = done.status.code().is_some();
            cure(&world);
            if let Err(wrong) = world.settle() {
                panic!("{}, PINTAIL_FAULT={fault}: {wrong}\nfirst: {done}", self.name);
            }
            if ended {
                break;
            }
            points += 1;
        }
        assert!(
            points * step >= 20,
            "{}: the process died only {points} times, {step} writes apart; are fault points missing?",
            self.name
        );
    }
}

/// A file that makes a gold test fail is corrected: what is withheld keeps its last good rows, whatever they were.
pub(crate) fn cure(world: &World) {
    let raw = world.lake().join("raw/sales");
    for entry in std::fs::read_dir(raw).into_iter().flatten() {
        let path = entry.expect("our folder can be listed").path();
        let text = std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        if text.contains("5000000") {
            let key = format!("sales/{}", path.file_name().unwrap_or_default().to_string_lossy());
            world.write(&File::new(&key, &text.replace("5000000", "50"), Packing::Plain));
        }
    }
}
