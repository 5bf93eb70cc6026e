use super::*;

struct Fixed(Vec<IpAddr>);

impl Lookup for Fixed {
    fn lookup(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

fn guard(addresses: &[&str]) -> Guard {
    let addresses = addresses.iter().map(|a| a.parse().expect(a)).collect();
    let allowed = ["10.1.0.0/16", "64:ff9b::/96", "::1/128", "2002::/16"].map(|net| net.parse().expect(net));
    Guard::with_resolver(false, allowed.to_vec(), Resolver::new(Fixed(addresses)))
}

async fn check(guard: &Guard, url: &str) -> Result<(), String> {
    guard.check(&url.parse().expect(url)).await.map_err(|refusal| refusal.to_string())
}

#[tokio::test]
async fn a_public_name_over_https_passes() {
    assert_eq!(check(&guard(&["8.8.8.8", "2606:4700::1111"]), "https://a.example/hook").await, Ok(()));
}

#[tokio::test]
async fn one_bad_address_refuses_the_name_and_the_refusal_says_which() {
    let refusal = check(&guard(&["8.8.8.8", "192.168.1.7"]), "https://a.example/").await.expect_err("refused");
    assert!(refusal.contains("192.168.1.7") && refusal.contains("private"), "{refusal}");
}

#[tokio::test]
async fn an_allowed_network_passes_and_its_neighbour_does_not() {
    assert_eq!(check(&guard(&["10.1.2.3"]), "https://a.example/").await, Ok(()));
    assert!(check(&guard(&["10.2.2.3"]), "https://a.example/").await.is_err());
    assert_eq!(check(&guard(&[]), "https://10.1.2.3/").await, Ok(()));
}

#[tokio::test]
async fn a_carrier_that_is_allowed_carries_nothing_that_is_not() {
    for good in ["64:ff9b::808:808", "64:ff9b::a01:203", "::1", "2002:808:808::1"] {
        assert_eq!(check(&guard(&[good]), "https://a.example/").await, Ok(()), "{good}");
    }
    for (bad, inner) in [("64:ff9b::7f00:1", "127.0.0.1"), ("2002:a02:203::1", "10.2.2.3")] {
        let refusal = check(&guard(&[bad]), "https://a.example/").await.expect_err(bad);
        assert!(refusal.contains(inner), "{refusal}");
    }
}

struct Stuck;

impl Lookup for Stuck {
    fn lookup(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_never_resolves_keeps_nobody_waiting() {
    let guard = Guard::with_resolver(false, Vec::new(), Resolver::new(Stuck));
    let began = tokio::time::Instant::now();
    assert!(check(&guard, "https://a.example/").await.is_err_and(|why| why.contains("resolve")));
    assert_eq!(began.elapsed().as_secs(), LOOKUP_DEADLINE.as_secs());
}

#[tokio::test]
async fn a_name_without_or_with_too_many_addresses_is_refused() {
    assert!(check(&guard(&[]), "https://a.example/").await.is_err_and(|why| why.contains("resolve")));
    let many = vec!["8.8.8.8"; MAX_ADDRESSES + 1];
    assert!(check(&guard(&many), "https://a.example/").await.is_err_and(|why| why.contains("more than")));
}

#[tokio::test]
async fn addresses_as_hosts_are_checked_in_every_spelling() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "0x7f000001",
        "127.0.0.1.",
        "１２７.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
    ] {
        let nothing_allowed = Guard { allow_cidrs: Arc::new([]), ..guard(&["8.8.8.8"]) };
        let refusal = check(&nothing_allowed, &format!("https://{host}/")).await.expect_err(host);
        assert!(refusal.contains("range"), "{host}: {refusal}");
    }
}

#[tokio::test]
async fn schemes_user_information_and_port_0_are_refused() {
    let guard = guard(&["8.8.8.8"]);
    for (url, word) in [
        ("http://a.example/", "scheme"),
        ("ftp://a.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("https://u@a.example/", "user name"),
        ("https://:p@a.example/", "password"),
        ("https://a.example:0/", "port 0"),
    ] {
        assert!(check(&guard, url).await.is_err_and(|why| why.contains(word)), "{url}");
    }
    assert_eq!(check(&Guard { allow_http: true, ..guard }, "http://a.example/").await, Ok(()));
}
