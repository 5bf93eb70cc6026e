//! Identifiers in the shapes of the reference (§3.3).
//!
//! A report has one number and two spellings: `R` and eleven base-62 digits, and plain decimal. Both name the same report.

use rand::{Rng, RngExt};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const REPORT_DIGITS: usize = 11;

/// Real report numbers recorded in 2026 have sixteen decimal digits.
const REPORT_NUMBERS: std::ops::Range<u64> = 1_000_000_000_000_000..9_000_000_000_000_000;

/// The new spelling of a report number.
pub(crate) fn report_id(number: u64) -> String {
    let mut digits = [b'0'; REPORT_DIGITS];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(left % 62).unwrap_or_default()];
        left /= 62;
    }
    format!("R{}", String::from_utf8_lossy(&digits))
}

/// The number behind either spelling.
pub(crate) fn report_number(text: &str) -> Option<u64> {
    let new_form = text.strip_prefix('R').filter(|digits| digits.len() == REPORT_DIGITS);
    match new_form {
        Some(digits) => digits.bytes().try_fold(0_u64, |number, byte| {
            let value = DIGITS.iter().position(|digit| *digit == byte)?;
            number.checked_mul(62)?.checked_add(u64::try_from(value).ok()?)
        }),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// The number whose new spelling differs from this one's in nothing but the case of its last letter.
pub(crate) fn case_twin(number: u64) -> Option<u64> {
    let id = report_id(number);
    let at = id.rfind(|c: char| c.is_ascii_alphabetic()).filter(|at| *at > 0)?;
    let other_case = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let swapped = id.char_indices().map(|(place, c)| if place == at { other_case(c) } else { c }).collect::<String>();
    report_number(&swapped)
}

/// A number for a new report.
pub(crate) fn new_report_number(rng: &mut impl Rng) -> u64 {
    rng.random_range(REPORT_NUMBERS)
}

/// Sixteen upper-case hexadecimal digits.
pub(crate) fn new_policy_id(rng: &mut impl Rng) -> String {
    format!("{:016X}", rng.random::<u64>())
}

/// Nineteen decimal digits: above 2^53, so never a JSON number.
pub(crate) fn new_transaction_id(rng: &mut impl Rng) -> String {
    rng.random_range(1_000_000_000_000_000_000..i64::MAX).to_string()
}

/// The id of a receipt or of a reimbursement.
pub(crate) fn new_short_id(rng: &mut impl Rng) -> String {
    rng.random_range(10_000_000_u32..99_999_999).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_pair_maps_both_ways() {
        assert_eq!(report_id(2_080_715_894_610_667), "R009WqAY45L1");
        assert_eq!(report_number("R009WqAY45L1"), Some(2_080_715_894_610_667));
        assert_eq!(report_number("2080715894610667"), Some(2_080_715_894_610_667));
    }

    #[test]
    fn a_twin_differs_in_the_case_of_one_letter_and_is_its_twins_twin() {
        let twin = case_twin(2_080_715_894_610_667).unwrap();
        assert_eq!(report_id(twin), "R009WqAY45l1");
        assert_eq!(case_twin(twin), Some(2_080_715_894_610_667));
        assert_eq!(case_twin(0), None, "no letter but the R in front");
    }

    #[test]
    fn what_is_neither_spelling_names_nothing() {
        for bad in ["", "R", "R009", "R009WqAY45L-", "12x", "Rzzzzzzzzzzz", "99999999999999999999999"] {
            assert!(bad.is_empty() || report_number(bad).is_none(), "{bad}");
        }
    }
}
