//! Short names for content: BLAKE3, 128 bits as 32 hex digits.

/// The fingerprint of several parts; no two lists of parts share one by accident of where they are cut.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
