//! One spelling for each id (reference section 3.3).

/// A report's number in base 62, after the `R`.
const REPORT_DIGITS: usize = 11;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The new spelling of a report id: a decimal one becomes `R` and eleven base-62 digits; any other text stays as it is.
pub fn report_id(text: &str) -> String {
    let text = text.trim();
    decimal(text).and_then(encode).unwrap_or_else(|| text.to_owned())
}

/// The number that a text of digits alone spells.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// `None` when the number needs more digits than an id has; eleven reach past every `u64`.
fn encode(number: u64) -> Option<String> {
    let mut digits = [b'0'; REPORT_DIGITS];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(left % 62).ok()?];
        left /= 62;
    }
    (left == 0).then(|| format!("R{}", String::from_utf8_lossy(&digits)))
}

/// A policy id: hexadecimal, in upper case.
pub(crate) fn policy_id(text: &str) -> String {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_hexdigit()) { text.to_ascii_uppercase() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_pair_is_one_report() {
        assert_eq!(report_id("2080715894610667"), "R009WqAY45L1");
        assert_eq!(report_id("R009WqAY45L1"), "R009WqAY45L1");
    }

    #[test]
    fn the_alphabet_is_digits_upper_lower() {
        assert_eq!(report_id("0"), "R00000000000");
        assert_eq!(report_id("10"), "R0000000000A");
        assert_eq!(report_id("36"), "R0000000000a");
        assert_eq!(report_id("61"), "R0000000000z");
        assert_eq!(report_id("62"), "R00000000010");
        assert_eq!(report_id(&u64::MAX.to_string()), "RLygHa16AHYF");
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for text in ["R3513250790654885", "-5", "99999999999999999999999", "x1"] {
            assert_eq!(report_id(text), text);
        }
        assert_eq!(report_id(" R00AbCdEf123 "), "R00AbCdEf123");
    }

    #[test]
    fn a_policy_id_is_upper_case_when_it_is_hexadecimal() {
        assert_eq!(policy_id("a1b2c3d4e5f60718"), "A1B2C3D4E5F60718");
        assert_eq!(policy_id("Policy7"), "Policy7");
    }
}
