//! `expensewire verify` as a person runs it: the vector of Standard Webhooks, and each check that can fail.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

use assert_cmd::Command;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &str = r#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const SENT_S: &str = "1614265330";

/// A body, the arguments that are other than right, and what is told.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// The exit code and standard error of one run; `changes` replace single arguments.
fn verify(body: &str, changes: &[(&str, &str)]) -> (i32, String) {
    let mut args = vec![
        ("--secret", SECRET),
        ("--id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("--timestamp", SENT_S),
        ("--signature", SIGNATURE),
        // The vector is of 2021.
        ("--tolerance", "4000000000"),
    ];
    for (name, value) in changes {
        args.retain(|(known, _)| known != name);
        args.push((name, value));
    }
    let flat = args.iter().flat_map(|(name, value)| [*name, *value]);
    let output =
        Command::cargo_bin("expensewire").unwrap().arg("verify").args(flat).write_stdin(body).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), told)
}

#[test]
fn a_delivery_that_is_right_is_verified() {
    let (code, told) = verify(BODY, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("verified"), "{told}");
    assert_eq!(verify(BODY, &[("--signature", &format!("v1a,AAAA {SIGNATURE}"))]).0, 0);
}

#[test]
fn the_check_that_fails_is_named_and_ends_with_6() {
    let cases: [Case; 15] = [
        (BODY, &[("--secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], "the secret is malformed"),
        (BODY, &[("--secret", "whsec_c2hvcnQ=")], "24 to 64 bytes"),
        (BODY, &[("--timestamp", "soon")], "not a whole number"),
        (BODY, &[("--timestamp", "")], "not a whole number"),
        (BODY, &[("--tolerance", "300")], "the signature itself is right"),
        ("{}", &[("--tolerance", "300")], "the signature is not right either"),
        (BODY, &[("--timestamp", "99999999999")], "ahead"),
        (BODY, &[("--signature", "g0hM9SsE")], "has no version"),
        (BODY, &[("--signature", "v1,@@@")], "not base64"),
        (BODY, &[("--signature", "v1,AAAA")], "3 bytes, not 32"),
        (BODY, &[("--signature", "v1,8341bd4b5b0439353cb4f9edfe2602d62b5919b1")], "looks like hexadecimal"),
        (BODY, &[("--timestamp", "1614265330000")], "looks like milliseconds"),
        (BODY, &[("--signature", "v1a,AAAA")], "no v1 signature"),
        (BODY, &[("--id", "msg_other")], "no signature fits"),
        ("{\"test\": 2432232314}\n", &[], "the body was altered: white space was added"),
    ];
    for (body, changes, expected) in cases {
        let (code, told) = verify(body, changes);
        assert_eq!(code, 6, "{changes:?}: {told}");
        assert!(told.contains(expected), "{changes:?}: {told}");
        assert!(!told.contains("MfKQ9r8G"), "the secret is shown: {told}");
    }
}

#[test]
fn how_far_the_timestamp_is_off_is_told() {
    let (_, told) = verify(BODY, &[("--tolerance", "300")]);
    let age: u64 = told.split_whitespace().filter_map(|word| word.parse().ok()).next().unwrap_or(0);
    assert!(age > 150_000_000, "{told}");
}

#[test]
fn a_missing_header_is_a_usage_error() {
    let mut command = Command::cargo_bin("expensewire").unwrap();
    command.args(["verify", "--secret", SECRET, "--id", "x"]).write_stdin("").assert().code(2);
}
