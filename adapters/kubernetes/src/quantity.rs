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

/// Whole mebibytes, rounded up; in the largest unit that fits, as Kubernetes writes it itself, so that what is there is
/// seen to be what is wanted.
pub(crate) fn written(bytes: u64) -> String {
    let mebibytes = bytes.div_ceil(1 << 20);
    match mebibytes {
        0 => "0".to_owned(),
        _ if mebibytes.is_multiple_of(1 << 20) => format!("{}Ti", mebibytes >> 20),
        _ if mebibytes.is_multiple_of(1 << 10) => format!("{}Gi", mebibytes >> 10),
        _ => format!("{mebibytes}Mi"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_written() {
        let read = ["2304Mi", "3Gi", "1000", "1k", "64Ki"].map(|text| bytes(text).unwrap());
        assert_eq!(read, [2304 << 20, 3 << 30, 1_000, 1_000, 64 << 10]);
        assert_eq!([1, 1 << 20, (1 << 20) + 1].map(written), ["1Mi", "1Mi", "2Mi"]);
        assert_eq!([1 << 30, 3 << 29, 2 << 40].map(written), ["1Gi", "1536Mi", "2Ti"]);
        for text in ["", "Mi", "1.5Gi", "5m", "1e3", "-1", "1 Mi", "18446744073709551615Ti"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
