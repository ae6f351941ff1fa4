//! Memory as Kubernetes writes it.

/// Suffixes, and what they multiply with.
const UNITS: [(&str, u64); 9] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

/// The bytes of a whole number with a suffix. `None` for anything else that Kubernetes takes, as `1.5Gi`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, suffix) = text.split_at(digits);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == suffix)?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

/// Whole mebibytes, rounded up.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_written() {
        let read = ["2304Mi", "3Gi", "1000", "1k", "64Ki"].map(|text| bytes(text).unwrap());
        assert_eq!(read, [2304 << 20, 3 << 30, 1_000, 1_000, 64 << 10]);
        assert_eq!([1, 1 << 20, (1 << 20) + 1].map(mebibytes), ["1Mi", "1Mi", "2Mi"]);
        for text in ["", "Mi", "1.5Gi", "5m", "1e3", "-1", "1 Mi", "18446744073709551615Ti"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
