//! People of the tenant.

/// One person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) account_id: u64,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) employee_id: String,
    pub(crate) payroll_id: String,
}

impl Person {
    /// First and last name.
    pub(crate) fn full(&self) -> String {
        format!("{} {}", self.first, self.last).trim().to_owned()
    }

    /// A person known by nothing but an address, with an account number derived from it.
    pub(crate) fn of_email(email: &str) -> Self {
        let account_id = email.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 9_000_000) + 1_000_000;
        Self {
            email: email.to_owned(),
            account_id,
            first: String::new(),
            last: String::new(),
            employee_id: String::new(),
            payroll_id: String::new(),
        }
    }
}
