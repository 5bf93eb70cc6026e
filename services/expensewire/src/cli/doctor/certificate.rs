//! When a certificate ends: the one field of X.509 that is needed here, read from its DER (RFC 5280, section 4.1; X.690).
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
//!   version [0] OPTIONAL, serialNumber INTEGER, signature SEQUENCE, issuer SEQUENCE,
//!   validity SEQUENCE { notBefore Time, notAfter Time }, … }, … }
//! ```

use jiff::{Timestamp, civil::DateTime, tz::Offset};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The `notAfter` of the certificate whose DER is `der`; `None` when it is none.
pub(super) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (fields, _) = value(certificate, SEQUENCE)?;
    let fields = value(fields, VERSION).map_or(fields, |(_, rest)| rest);
    let (_, fields) = value(fields, INTEGER)?;
    let (_, fields) = value(fields, SEQUENCE)?;
    let (_, fields) = value(fields, SEQUENCE)?;
    let (validity, _) = value(fields, SEQUENCE)?;
    let (_, _, not_after) = element(validity)?;
    time(not_after)
}

/// The content of the element that `bytes` begin with, if its tag is `tag`, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content, rest. Lengths are definite and have at most four bytes: no certificate is longer.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x84 => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit)), bytes)
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A time of a certificate: always in UTC, always with seconds (RFC 5280, section 4.1.2.5). Two digits of a year from 50 on
/// are of the last century.
fn time(bytes: &[u8]) -> Option<Timestamp> {
    let (tag, content, _) = element(bytes)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (century, text) = match (tag, text.len()) {
        (UTC_TIME, 12) if text < "50" => ("20", text),
        (UTC_TIME, 12) => ("19", text),
        (GENERALIZED_TIME, 14) => ("", text),
        _ => return None,
    };
    let whole = format!("{century}{text}");
    let part = |from: usize, to: usize| whole[from..to].parse::<i16>().ok();
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let at = DateTime::new(part(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    Offset::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match length {
            0..=127 => vec![tag, length as u8],
            128..=255 => vec![tag, 0x81, length as u8],
            _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        };
        [head, content.to_vec()].concat()
    }

    /// As much of a certificate as is read, and something after it.
    fn certificate(version: bool, not_after: &[u8]) -> Vec<u8> {
        let validity = [tlv(UTC_TIME, b"250101000000Z"), not_after.to_vec()].concat();
        let version = if version { tlv(VERSION, &tlv(INTEGER, &[2])) } else { Vec::new() };
        let issuer = tlv(SEQUENCE, &[0x0c; 300]);
        let rest = [tlv(INTEGER, &[1; 16]), tlv(SEQUENCE, &[6]), issuer, tlv(SEQUENCE, &validity), tlv(SEQUENCE, &[9])];
        let fields = [version, rest.concat()].concat();
        tlv(SEQUENCE, &[tlv(SEQUENCE, &fields), tlv(SEQUENCE, &[1])].concat())
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_either_form() {
        let end = |version, time: Vec<u8>| not_after(&certificate(version, &time)).map(|at| at.to_string());
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(end(true, tlv(UTC_TIME, b"270331235959Z")), told("2027-03-31T23:59:59Z"));
        assert_eq!(end(false, tlv(UTC_TIME, b"491231235959Z")), told("2049-12-31T23:59:59Z"));
        assert_eq!(end(true, tlv(UTC_TIME, b"500101000000Z")), told("1950-01-01T00:00:00Z"));
        assert_eq!(end(true, tlv(GENERALIZED_TIME, b"21261028210000Z")), told("2126-10-28T21:00:00Z"));
        for wrong in [&b"270231235959Z"[..], b"2703312359Z", b"270331235959", b"27033123595xZ"] {
            assert_eq!(end(true, tlv(UTC_TIME, wrong)), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_no_certificate_is_none() {
        let whole = certificate(true, &tlv(UTC_TIME, b"270331235959Z"));
        for end in 0..whole.len() {
            assert_eq!(not_after(&whole[..end]), None, "{end}");
        }
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(not_after(b"-----BEGIN CERTIFICATE-----"), None);
    }
}
