//! Parquet, damaged at will: an error, or all the rows that the footer states.

use records::{Depth, Format, MemoryInput, Options, survey};

use super::promises::{check_any_bytes, plan_inferred, read_all};

/// Checks some bytes.
pub fn check(bytes: &[u8]) {
    let options = Options { format: Format::Parquet, ..Options::default() };
    let input = MemoryInput(bytes.to_vec());
    let Ok(plan) = plan_inferred(&input, &options) else { return };
    check_any_bytes(bytes, &options, vec![7, 64]);
    if let Ok(outcome) = read_all(&input, &options, &plan, 1) {
        let records = outcome.numbers.len() + outcome.rejects.len();
        let stated = survey(&input, &options, Depth::Values).unwrap().records;
        assert_eq!(stated, Some(records as u64), "all rows of the footer");
    }
}
