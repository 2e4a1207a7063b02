//! The client's address: from the socket, or from `X-Forwarded-For` when the peer is a configured proxy (ASVS 4.1.3).

use std::net::IpAddr;

use ipnet::IpNet;

/// The right-most address that is not one of our own proxies; the peer itself when it is not a proxy. Any other
/// forwarding header is ignored.
pub fn client(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = peer.to_canonical();
    if !is_proxy(client) {
        return client;
    }
    let hops = forwarded_for.iter().flat_map(|line| line.split(','));
    for hop in hops.collect::<Vec<_>>().into_iter().rev() {
        match hop.trim().parse::<IpAddr>() {
            Ok(ip) => client = ip.to_canonical(),
            // What stands left of nonsense was not written by a proxy of ours.
            Err(_) => break,
        }
        if !is_proxy(client) {
            break;
        }
    }
    client
}

/// What throttling counts as one client: an IPv4 address, or an IPv6 /64.
pub fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_forwarding_header_is_believed_from_our_proxies_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let through = |peer, header: &[&str]| client(ip(peer), header, &trusted);
        assert_eq!(through("203.0.113.9", &["1.1.1.1"]), ip("203.0.113.9"));
        assert_eq!(
            through("10.0.0.1", &["1.1.1.1, 2.2.2.2, 10.0.0.2"]),
            ip("2.2.2.2")
        );
        assert_eq!(through("10.0.0.1", &["1.1.1.1", "2.2.2.2"]), ip("2.2.2.2"));
        assert_eq!(through("10.0.0.1", &["9.9.9.9, nonsense"]), ip("10.0.0.1"));
        assert_eq!(
            through("::ffff:10.0.0.1", &["::ffff:3.3.3.3"]),
            ip("3.3.3.3")
        );
        assert_eq!(through("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn neighbours_of_an_ipv6_client_count_as_one() {
        assert_eq!(
            network(ip("2001:db8:1:2:3::4")),
            network(ip("2001:db8:1:2:9::9"))
        );
        assert_ne!(network(ip("192.0.2.1")), network(ip("192.0.2.2")));
    }
}
