//! What each kind of destination comes to.

use bailiwick_catalogue::Definition;

use super::*;

fn catalogue(addresses: &[&str]) -> Catalogue {
    let resource = |(number, address): (usize, &&str)| {
        let text = format!("address = \"{address}\"\n");
        Definition::load(format!("r{number}").parse().unwrap(), "test.toml", &text).unwrap()
    };
    Catalogue::new(addresses.iter().enumerate().map(resource).collect()).unwrap()
}

fn names() -> Names {
    Names::new("ses_00000000000000000000000001".parse().unwrap(), 100)
}

const OWN: Own = Own {
    tcp4: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000),
    tcp6: Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 4000)),
};

/// The ruling in one word, with the errno of a refusal.
fn word(destination: &str, udp: bool, names: &Names, catalogue: &Catalogue) -> String {
    match rule(destination.parse().unwrap(), udp, OWN, names, catalogue) {
        Ruling::Inside => "inside".to_owned(),
        Ruling::Listener(meant) => format!("listener {}:{}", meant.host(), meant.port()),
        Ruling::Refuse { errno, .. } => format!("refuse {errno}"),
    }
}

#[test]
fn loopback_stays_inside_unless_a_resource_is_there() {
    let (names, catalogue) = (names(), catalogue(&["https://localhost:8443", "https://[::1]:9443"]));
    for (destination, expected) in [
        ("127.0.0.1:3000", "inside"),
        ("127.9.9.9:3000", "inside"),
        ("[::1]:3000", "inside"),
        ("0.0.0.0:3000", "inside"),
        ("127.0.0.1:8443", "listener 127.0.0.1:8443"),
        ("[::1]:8443", "listener [::1]:8443"),
        ("0.0.0.0:8443", "listener 127.0.0.1:8443"),
        ("[::ffff:127.0.0.1]:8443", "listener 127.0.0.1:8443"),
        ("127.0.0.1:9443", "listener 127.0.0.1:9443"),
    ] {
        assert_eq!(word(destination, false, &names, &catalogue), expected, "{destination}");
    }
}

#[test]
fn our_own_listeners_are_never_reached_unannounced() {
    let (names, catalogue) = (names(), catalogue(&["https://localhost:4000"]));
    for destination in
        ["127.0.0.1:4000", "[::1]:4000", "0.0.0.0:4000", "[::]:4000", "[::ffff:127.0.0.1]:4000"]
    {
        assert_eq!(word(destination, false, &names, &catalogue), "refuse 111", "{destination}");
    }
}

#[test]
fn a_name_is_served_on_the_web_ports_and_where_a_resource_is() {
    let (names, catalogue) = (names(), catalogue(&["https://forge.example:8443"]));
    let forge = names.address("forge.example").unwrap();
    let other = names.address("other.example").unwrap();
    for (destination, expected) in [
        (format!("{forge}:8443"), "listener forge.example:8443"),
        (format!("{forge}:443"), "listener forge.example:443"),
        (format!("{forge}:22"), "refuse 13"),
        (format!("{other}:80"), "listener other.example:80"),
        (format!("{other}:8443"), "refuse 13"),
        (format!("[::ffff:{forge}]:8443"), "listener forge.example:8443"),
        ("198.19.200.1:443".to_owned(), "refuse 13"),
    ] {
        assert_eq!(word(&destination, false, &names, &catalogue), expected, "{destination}");
    }
}

#[test]
fn a_literal_is_never_a_name() {
    let (names, catalogue) = (names(), catalogue(&["https://forge.example:8443", "https://192.0.2.7:8443"]));
    for (destination, expected) in [
        ("192.0.2.7:8443", "listener 192.0.2.7:8443"),
        ("192.0.2.8:8443", "refuse 13"),
        ("169.254.169.254:80", "listener 169.254.169.254:80"),
        ("169.254.169.254:1338", "refuse 13"),
        ("[2001:db8::1]:22", "refuse 13"),
    ] {
        assert_eq!(word(destination, false, &names, &catalogue), expected, "{destination}");
    }
}

#[test]
fn udp_goes_nowhere_but_inside() {
    let (names, catalogue) = (names(), catalogue(&["https://forge.example"]));
    let forge = names.address("forge.example").unwrap();
    for (destination, expected) in [
        ("127.0.0.53:53".to_owned(), "inside"),
        ("[::1]:5000".to_owned(), "inside"),
        (format!("{forge}:443"), "refuse 13"),
        ("8.8.8.8:53".to_owned(), "refuse 13"),
        ("224.0.0.251:5353".to_owned(), "refuse 13"),
    ] {
        assert_eq!(word(&destination, true, &names, &catalogue), expected, "{destination}");
    }
}
