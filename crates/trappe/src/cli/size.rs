//! Sizes as people type them: `64KiB`, `8MiB`, `1000`.

/// Reads a number of bytes with an optional unit, powers of 1024: `B`, `K`/`KiB`, `M`/`MiB`, `G`/`GiB`, in any case.
///
/// # Errors
/// A sentence that says what is expected.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    };
    let number = digits.parse::<usize>().ok();
    number
        .zip(unit)
        .and_then(|(number, unit): (usize, usize)| number.checked_mul(unit))
        .ok_or_else(|| "expected a number of bytes such as 65536, 64KiB or 8MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_as_people_type_them() {
        for (text, want) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("64KiB", Some(65_536)),
            ("64k", Some(65_536)),
            ("8MiB", Some(8 << 20)),
            ("1G", Some(1 << 30)),
            ("7 MiB", None),
            ("KiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("1KB", None),
            ("99999999999999999999", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(bytes(text).ok(), want, "{text}");
        }
    }
}
