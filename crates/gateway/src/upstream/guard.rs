//! Which addresses an upstream may have: server-side request forgery ends here.
//!
//! A public name must lead to public addresses only, all of them: one that also leads inside is being rebound. What a resource declares
//! as private may lead to private and loopback addresses. Cloud metadata, link-local, multicast and unassigned ranges are reached by
//! nothing but a literal declaration of that very address, and metadata not even so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// The machine itself.
    Loopback,
    /// Where clouds tell instances their credentials.
    Metadata,
    /// A private network.
    Private,
    /// The Internet.
    Public,
    /// Any other special purpose (IANA's special-purpose registries): nothing an upstream may have.
    Special,
}

/// An address is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// The name leads nowhere.
    #[error("`{name}` has no address")]
    NoAddress { name: String },
    /// The name leads where it must not.
    #[error("`{name}` leads to {address}, which is {} address", article(*.range))]
    OutOfBounds { name: String, address: IpAddr, range: Range },
    /// Some of the name's addresses are public and some are not.
    #[error("`{name}` leads both to the Internet and to {address}, which is {} address", article(*.range))]
    Mixed { name: String, address: IpAddr, range: Range },
}

fn article(range: Range) -> &'static str {
    match range {
        Range::Loopback => "a loopback",
        Range::Metadata => "a cloud metadata",
        Range::Private => "a private",
        Range::Public => "a public",
        Range::Special => "a special-purpose",
    }
}

/// Whether `addresses`, all that `name` leads to, may be dialled; `private` says whether the resource may be on private networks.
pub(crate) fn check(name: &str, addresses: &[IpAddr], private: bool) -> Result<(), GuardError> {
    if addresses.is_empty() {
        return Err(GuardError::NoAddress { name: name.to_owned() });
    }
    let any_public = addresses.iter().any(|address| range(*address) == Range::Public);
    for address in addresses {
        let (name, address, range) = (name.to_owned(), *address, range(*address));
        match range {
            Range::Public => {}
            Range::Loopback | Range::Private if private && !any_public => {}
            _ if any_public => return Err(GuardError::Mixed { name, address, range }),
            Range::Loopback | Range::Metadata | Range::Private | Range::Special => {
                return Err(GuardError::OutOfBounds { name, address, range });
            }
        }
    }
    Ok(())
}

/// Whether a resource may be declared at this very address.
pub(crate) fn check_literal(address: IpAddr) -> Result<(), GuardError> {
    match range(address) {
        Range::Loopback | Range::Private | Range::Public | Range::Special => Ok(()),
        range @ Range::Metadata => Err(GuardError::OutOfBounds { name: address.to_string(), address, range }),
    }
}

/// What `address` is for. An IPv6 address that carries an IPv4 address is what that is, and never public.
pub(crate) fn range(address: IpAddr) -> Range {
    match address {
        IpAddr::V4(address) => range4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => match range4(inner) {
                Range::Public => Range::Special,
                inner => inner,
            },
            None => range6(address),
        },
    }
}

/// AWS, Google, Azure's and others' metadata; Alibaba's; Oracle's; Azure's wire server.
const METADATA4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// AWS's and Google's.
const METADATA6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// AWS's task credentials and link-local services live beside the metadata: the whole of 169.254/16 is link-local, hence special.
fn range4(address: Ipv4Addr) -> Range {
    if METADATA4.contains(&address) {
        return Range::Metadata;
    }
    match address.octets() {
        [127, ..] => Range::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Range::Private,
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 88, 99, _]
        | [192, 175, 48, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Range::Special,
        _ => Range::Public,
    }
}

fn range6(address: Ipv6Addr) -> Range {
    if METADATA6.contains(&address) {
        return Range::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Loopback,
        [0xfc00..=0xfdff, ..] => Range::Private,
        // 2001::/23 is for protocols, 2001:db8::/32 and 3fff::/20 for documentation, the rest of 2000::/3 is the Internet.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Range::Special,
        [0x2000..=0x3fff, ..] => Range::Public,
        _ => Range::Special,
    }
}

/// The IPv4 address inside: mapped and compatible (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP
/// (RFC 5214).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0x2001, 0, .., high, low] => Some(join(!high, !low)),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, .., high, low]
        | [0x2002, high, low, ..]
        | [.., 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_to_write_an_inside_address_is_seen() {
        for (text, expected) in [
            ("1.1.1.1", Range::Public),
            ("2606:4700::1", Range::Public),
            ("127.0.0.1", Range::Loopback),
            ("127.255.0.1", Range::Loopback),
            ("::1", Range::Loopback),
            ("::ffff:127.0.0.1", Range::Loopback),
            ("::127.0.0.1", Range::Loopback),
            ("64:ff9b::127.0.0.1", Range::Loopback),
            ("64:ff9b:1::127.0.0.1", Range::Loopback),
            ("2002:7f00:1::", Range::Loopback),
            ("2001:0:1:2:3:4:80ff:fffe", Range::Loopback),
            ("2606:4700::5efe:7f00:1", Range::Loopback),
            ("10.0.0.1", Range::Private),
            ("172.31.255.255", Range::Private),
            ("192.168.0.1", Range::Private),
            ("100.64.0.1", Range::Private),
            ("fd00::1", Range::Private),
            ("::ffff:10.0.0.1", Range::Private),
            ("169.254.169.254", Range::Metadata),
            ("::ffff:169.254.169.254", Range::Metadata),
            ("64:ff9b::a9fe:a9fe", Range::Metadata),
            ("2002:a9fe:a9fe::1", Range::Metadata),
            ("100.100.100.200", Range::Metadata),
            ("168.63.129.16", Range::Metadata),
            ("192.0.0.192", Range::Metadata),
            ("fd00:ec2::254", Range::Metadata),
            ("fd20:ce::254", Range::Metadata),
            ("0.0.0.0", Range::Special),
            ("::", Range::Special),
            ("169.254.170.2", Range::Special),
            ("198.18.0.1", Range::Special),
            ("224.0.0.1", Range::Special),
            ("240.0.0.1", Range::Special),
            ("255.255.255.255", Range::Special),
            ("fe80::1", Range::Special),
            ("ff02::1", Range::Special),
            ("2001:db8::1", Range::Special),
            ("::ffff:8.8.8.8", Range::Special),
            ("64:ff9b::8.8.8.8", Range::Special),
        ] {
            assert_eq!(range(ip(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_public_name_leads_to_public_addresses_only() {
        assert_eq!(check("a.example", &[ip("1.1.1.1"), ip("2606:4700::1")], false), Ok(()));
        assert!(matches!(check("a.example", &[], false), Err(GuardError::NoAddress { .. })));
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"] {
            for private in [false, true] {
                let mixed = check("a.example", &[ip("1.1.1.1"), ip(inside)], private);
                assert!(matches!(mixed, Err(GuardError::Mixed { .. })), "{inside}");
            }
            assert!(matches!(check("a.example", &[ip(inside)], false), Err(GuardError::OutOfBounds { .. })));
        }
    }

    #[test]
    fn a_private_resource_may_be_private_and_nothing_more() {
        assert_eq!(check("a.example", &[ip("127.0.0.1"), ip("::1")], true), Ok(()));
        assert_eq!(check("a.example", &[ip("10.0.0.1")], true), Ok(()));
        for outside in ["169.254.169.254", "169.254.1.1", "0.0.0.0", "fe80::1", "64:ff9b::a9fe:a9fe"] {
            assert!(check("a.example", &[ip(outside)], true).is_err(), "{outside}");
        }
        assert_eq!(check_literal(ip("127.0.0.1")), Ok(()));
        assert!(check_literal(ip("169.254.169.254")).is_err());
    }
}
