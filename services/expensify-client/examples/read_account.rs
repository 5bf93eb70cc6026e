//! Reads an account by hand: what engine renders our templates, which policies there are, how many reports of the past
//! thirty days. Run by a person, never by a test: it needs real credentials.
//!
//! `cargo run -p expensify-client --example read_account -- ID_FILE SECRET_FILE [ENDPOINT]`

use std::{error::Error, fs, sync::Arc, time::Duration};

use expensify_client::{
    Client, ClientConfig, Credentials, Gate, GateClosed, JobKind, OpenGate, Permit, ReportExport, ReportFilter, RowStep,
};
use futures_util::future::BoxFuture;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

const ENDPOINT: &str = "https://integrations.expensify.com/Integration-Server/ExpensifyIntegrations";
/// One request in so much time stays within 5 in any 10 s and 20 in any 60 s.
const PACE: Duration = Duration::from_millis(3100);

/// Lets one request through every [`PACE`].
struct Paced;

impl Gate for Paced {
    fn acquire(&self, job: JobKind) -> BoxFuture<'_, Result<Box<dyn Permit>, GateClosed>> {
        Box::pin(async move {
            tokio::time::sleep(PACE).await;
            OpenGate.acquire(job).await
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut file = || arguments.next().ok_or("usage: read_account ID_FILE SECRET_FILE [ENDPOINT]");
    let (id, secret) = (fs::read_to_string(file()?)?, fs::read_to_string(file()?)?);
    let endpoint = arguments.next().unwrap_or_else(|| ENDPOINT.to_owned()).parse()?;
    let credentials = Credentials::new(id.trim(), secret.trim().to_owned());
    let client = Client::new(ClientConfig::new(endpoint, credentials), Arc::new(Paced))?;

    for policy in client.policy_list(false).await? {
        println!("policy {} {:?} role {:?}", policy.policy_id, policy.name, policy.role);
    }
    println!("{}", serde_json::to_string_pretty(&client.doctor().await?)?);
    let start = Timestamp::now().to_zoned(TimeZone::UTC).date().saturating_sub(30.days());
    let filter = ReportFilter { start_date: Some(start), ..ReportFilter::default() };
    let mut rows = client.report_rows(&ReportExport { filter, ..ReportExport::default() }).await?;
    let mut reports = 0;
    while let Some(step) = rows.next().await? {
        match step {
            RowStep::Row(row) => reports += u64::from(rows.observed(&row).is_some()),
            RowStep::Restarted => reports = 0,
        }
    }
    let end = rows.finish();
    println!("{reports} reports, {:?}, {} bytes", end.completeness, end.bytes);
    println!("the server's clock minus ours: {:?}", client.clock_offset());
    end.drift.iter().for_each(|notice| println!("notice: {notice}"));
    Ok(())
}
