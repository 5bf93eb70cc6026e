//! A connection that breaks: a proxy before the service that cuts each connection after so many bytes of the answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Counts the connections that it cut.
pub struct Cutting {
    pub url: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutting {
    /// Before the service at `address`; the n-th connection is cut after n times `bytes`, so that there is an end to it.
    pub async fn start(address: String, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        tokio::spawn(async move {
            for n in 1.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let (service, cuts) = (TcpStream::connect(&address).await.expect("the service"), Arc::clone(&counted));
                tokio::spawn(async move {
                    if pass(client, service, n * bytes).await.is_ok_and(|cut| cut) {
                        cuts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { url, cuts }
    }

    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Passes on what both say until one ends or `left` bytes of the answer were passed on; gives whether that cut it.
async fn pass(client: TcpStream, service: TcpStream, mut left: usize) -> std::io::Result<bool> {
    let ((mut from_client, mut to_client), (mut from_service, mut to_service)) =
        (client.into_split(), service.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_service).await });
    let mut buffer = [0; 4096];
    let cut = loop {
        let read = from_service.read(&mut buffer).await?;
        let passed = read.min(left);
        to_client.write_all(&buffer[..passed]).await?;
        left -= passed;
        if read == 0 || left == 0 {
            break left == 0;
        }
    };
    asking.abort();
    Ok(cut)
}
