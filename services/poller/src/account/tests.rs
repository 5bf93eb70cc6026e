use expensify_client::{Asked, JobKind};

use super::*;

fn refused(code: Option<i64>) -> ReadError {
    let asked = Asked { job: JobKind::PolicyList, parameters: String::new() };
    ClientError::Refused { asked, code, message: "no".into() }.into()
}

#[test]
fn what_needs_a_person_is_asked_again_after_the_longest_wait_and_nothing_else_is() {
    assert_eq!(at_least(&refused(Some(404))), LONGEST_BACKOFF);
    assert_eq!(at_least(&refused(Some(403))), LONGEST_BACKOFF);
    assert_eq!(at_least(&refused(Some(500))), SignedDuration::ZERO);
    assert_eq!(at_least(&refused(None)), SignedDuration::ZERO);
}
