//! Addresses that nobody delivers to unless an operator allows it.
//!
//! The IANA special-purpose address registries for IPv4 and IPv6 whole (also their globally reachable entries: no
//! subscriber lives in an anycast service block), multicast, what IPv6 carries IPv4 in (the embedded address would
//! escape the check), ranges since withdrawn, and cloud metadata services that sit on public addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A range and what it is called in a refusal.
#[derive(Debug)]
pub struct Range {
    net: IpNet,
    name: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, name: &'static str) -> Range {
    Range { net: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)), name }
}

const fn v6(start: [u16; 8], length: u8, name: &'static str) -> Range {
    let [a, b, c, d, e, f, g, h] = start;
    Range { net: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)), name }
}

/// The narrower range comes first where one lies within another: the first hit names the refusal.
const RANGES: &[Range] = &[
    v4(0, 0, 0, 0, 32, "unspecified"),
    v4(0, 0, 0, 0, 8, "this network (RFC 791)"),
    v4(10, 0, 0, 0, 8, "private (RFC 1918)"),
    v4(100, 100, 100, 200, 32, "cloud metadata"),
    v4(100, 64, 0, 0, 10, "shared address space, CGNAT (RFC 6598)"),
    v4(127, 0, 0, 0, 8, "loopback (RFC 1122)"),
    v4(168, 63, 129, 16, 32, "cloud metadata"),
    v4(169, 254, 169, 254, 32, "cloud metadata, link-local"),
    v4(169, 254, 0, 0, 16, "link-local (RFC 3927)"),
    v4(172, 16, 0, 0, 12, "private (RFC 1918)"),
    v4(192, 0, 0, 192, 32, "cloud metadata"),
    v4(192, 0, 0, 0, 24, "IETF protocol assignments (RFC 6890)"),
    v4(192, 0, 2, 0, 24, "documentation (RFC 5737)"),
    v4(192, 31, 196, 0, 24, "AS112 (RFC 7535)"),
    v4(192, 52, 193, 0, 24, "AMT (RFC 7450)"),
    v4(192, 88, 99, 0, 24, "6to4 relay anycast (RFC 7526)"),
    v4(192, 168, 0, 0, 16, "private (RFC 1918)"),
    v4(192, 175, 48, 0, 24, "AS112 (RFC 7534)"),
    v4(198, 18, 0, 0, 15, "benchmarking (RFC 2544)"),
    v4(198, 51, 100, 0, 24, "documentation (RFC 5737)"),
    v4(203, 0, 113, 0, 24, "documentation (RFC 5737)"),
    v4(224, 0, 0, 0, 4, "multicast (RFC 5771)"),
    v4(255, 255, 255, 255, 32, "broadcast (RFC 919)"),
    v4(240, 0, 0, 0, 4, "reserved (RFC 1112)"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback (RFC 4291)"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible (RFC 4291)"),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped (RFC 4291)"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "IPv4-translated (RFC 2765)"),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64 (RFC 6052)"),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "local NAT64 (RFC 8215)"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard (RFC 6666)"),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy prefix (RFC 9780)"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo (RFC 4380)"),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarking (RFC 5180)"),
    v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, "ORCHID (RFC 4843)"),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, "ORCHIDv2 (RFC 7343)"),
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, "drone remote id (RFC 9374)"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments (RFC 2928)"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation (RFC 3849)"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4 (RFC 3056)"),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112 (RFC 7534)"),
    v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, "6bone, returned (RFC 3701)"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation (RFC 9637)"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing (RFC 9602)"),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, "cloud metadata, unique local"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local (RFC 4193)"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local (RFC 4291)"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local (RFC 3879)"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast (RFC 4291)"),
];

/// IPv6 global unicast; what lies outside is assigned to nobody.
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The special range that `address` lies in, as a refusal names it; `None` for one that anybody may deliver to.
pub fn special_range(address: IpAddr) -> Option<&'static str> {
    let listed = RANGES.iter().find(|range| range.net.contains(&address)).map(|range| range.name);
    listed.or(match address {
        IpAddr::V6(v6) if !GLOBAL_UNICAST.contains(&v6) => Some("not global unicast (RFC 4291)"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    })
}

/// The IPv4 addresses that `address` carries: whoever is sent to it may end at them. One that is mapped, compatible,
/// translated or behind the well-known NAT64 prefix carries its last 32 bits; 6to4 (RFC 3056) those after its prefix; Teredo
/// (RFC 4380) its server and, inverted, its client; ISATAP (RFC 5214) names itself in the interface id of any prefix. Where a
/// local NAT64 prefix (RFC 8215) keeps them only its operator knows.
pub fn carried(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return Vec::new() };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![v4(high, low)],
        [0x2002, high, low, ..] => vec![v4(high, low)],
        [0x2001, 0, high, low, _, _, client_high, client_low] => vec![v4(high, low), v4(!client_high, !client_low)],
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => vec![v4(high, low)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(address: &str) -> Option<&'static str> {
        special_range(address.parse().expect(address))
    }

    #[test]
    fn public_addresses_are_in_no_special_range() {
        for public in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert_eq!(range(public), None, "{public}");
        }
    }

    #[test]
    fn the_first_and_the_last_address_of_every_range_are_in_a_special_range() {
        for Range { net, name } in RANGES {
            let (first, last) = (net.network(), net.broadcast());
            assert!(special_range(first).is_some() && special_range(last).is_some(), "{net} {name}");
            assert_eq!(net.trunc(), *net, "{name} is written by its first address");
        }
    }

    #[test]
    fn a_refusal_names_the_narrowest_range() {
        for (address, word) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "this network"),
            ("127.9.9.9", "loopback"),
            ("169.254.169.254", "metadata"),
            ("169.254.1.1", "link-local"),
            ("100.64.0.1", "CGNAT"),
            ("192.0.0.170", "IETF"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "IPv4-compatible"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("64:ff9b::a00:1", "NAT64"),
            ("64:ff9b:1:2::1", "local NAT64"),
            ("2001::1", "Teredo"),
            ("2001:1::1", "IETF"),
            ("2002:7f00:1::", "6to4"),
            ("fd00:ec2::254", "metadata"),
            ("fd12::1", "unique local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("4000::1", "not global unicast"),
        ] {
            assert!(range(address).is_some_and(|name| name.contains(word)), "{address}: {:?}", range(address));
        }
    }

    #[test]
    fn what_an_address_carries_is_found_in_every_form() {
        for (address, inner) in [
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("::10.0.0.1", "10.0.0.1"),
            ("::ffff:0:10.0.0.1", "10.0.0.1"),
            ("64:ff9b::10.0.0.1", "10.0.0.1"),
            ("2002:a00:1::5", "10.0.0.1"),
            ("2001:0:808:808::f5ff:fffe", "8.8.8.8 10.0.0.1"),
            ("2a00:1450::200:5efe:a00:1", "10.0.0.1"),
            ("2a00:1450::1", ""),
            ("::1", ""),
            ("10.0.0.1", ""),
        ] {
            let found: Vec<_> = carried(address.parse().expect(address)).iter().map(Ipv4Addr::to_string).collect();
            assert_eq!(found.join(" "), inner, "{address}");
        }
    }
}
