//! Which synthetic address stands for which name, in one session.
//!
//! A sandbox never learns a real address: each name it asks for gets an address of 198.18.0.0/15 (RFC 2544, never routed), and a
//! connection to that address means the name. The table must never resolve anything, never give one address two names, and never
//! grow without bound: names are an agent's to invent.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use bailiwick_core::SessionId;
use sha2::{Digest, Sha256};

/// The first address of the range, as a number.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 0]);
/// Addresses in a /15.
const SIZE: u32 = 1 << 17;
/// The first addresses of the range belong to the sandbox's own loopback and resolver.
const RESERVED: u32 = 256;

/// The name under which an agent's hooks report: the gateway's own, the same in every session, and outside every quota.
pub const HOOK_HOST: &str = "hook.bailiwick.internal";
/// The address that stands for it.
pub const HOOK_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// The names that one session has asked for.
#[derive(Debug)]
pub(crate) struct Names {
    session: SessionId,
    quota: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Arc<str>, Ipv4Addr>,
    by_address: HashMap<Ipv4Addr, Arc<str>>,
}

impl Names {
    /// An empty table of at most `quota` names.
    pub(crate) fn new(session: SessionId, quota: usize) -> Self {
        // Half the range stays free, so that the search for a free address is short.
        let quota = quota.min((SIZE / 2) as usize);
        Self { session, quota, table: Mutex::default() }
    }

    /// The address that stands for `name` (lower-case ASCII, no final dot), the same as long as the session lives. `None` once the
    /// session has used up its names.
    pub(crate) fn address(&self, name: &str) -> Option<Ipv4Addr> {
        if name == HOOK_HOST {
            return Some(HOOK_ADDRESS);
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = table.by_name.get(name) {
            return Some(*address);
        }
        if table.by_name.len() >= self.quota {
            return None;
        }
        let address = self.free(name, &table)?;
        let name: Arc<str> = name.into();
        table.by_name.insert(Arc::clone(&name), address);
        table.by_address.insert(address, name);
        Some(address)
    }

    /// The name that `address` stands for.
    pub(crate) fn name(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        if address == HOOK_ADDRESS {
            return Some(HOOK_HOST.into());
        }
        self.table.lock().unwrap_or_else(PoisonError::into_inner).by_address.get(&address).cloned()
    }

    /// Gives `name` the address it had in an earlier table. Ignored where it would break a rule of the table.
    pub(crate) fn restore(&self, name: &str, address: Ipv4Addr) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let room = table.by_name.len() < self.quota
            && u32::from(address) >= FIRST + RESERVED
            && is_synthetic(address);
        if room && !table.by_name.contains_key(name) && !table.by_address.contains_key(&address) {
            let name: Arc<str> = name.into();
            table.by_name.insert(Arc::clone(&name), address);
            table.by_address.insert(address, name);
        }
    }

    /// Every name and its address.
    pub(crate) fn all(&self) -> Vec<(String, Ipv4Addr)> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_name.iter().map(|(name, address)| (name.to_string(), *address)).collect()
    }

    /// Where `name` goes: a place that depends on the session and the name alone, so that a daemon's successor gives most names the
    /// address they had; the next free one after it where it is taken.
    fn free(&self, name: &str, table: &Table) -> Option<Ipv4Addr> {
        let mut hash = Sha256::new();
        hash.update(self.session.uuid().as_bytes());
        hash.update(name.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let start = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let room = SIZE - RESERVED;
        (0..room)
            .map(|step| Ipv4Addr::from(FIRST + RESERVED + start.wrapping_add(step) % room))
            .find(|address| !table.by_address.contains_key(address))
    }
}

/// Whether `address` is one of those that stand for names.
pub(crate) fn is_synthetic(address: Ipv4Addr) -> bool {
    (FIRST..FIRST + SIZE).contains(&u32::from(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u128) -> SessionId {
        format!("ses_{number:0>26}").parse().unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_and_an_address_its_name() {
        let names = Names::new(session(1), 100);
        let address = names.address("forge.example").unwrap();
        assert!(is_synthetic(address));
        assert_eq!(names.address("forge.example"), Some(address));
        assert_eq!(names.name(address).as_deref(), Some("forge.example"));
        assert_ne!(names.address("other.example"), Some(address));
    }

    #[test]
    fn a_successor_gives_the_same_address() {
        let (before, after) = (Names::new(session(1), 9), Names::new(session(1), 9));
        after.address("first.example");
        assert_eq!(before.address("forge.example"), after.address("forge.example"));
        let restored = Names::new(session(3), 9);
        for (name, address) in before.all() {
            restored.restore(&name, address);
        }
        assert_eq!(restored.address("forge.example"), before.address("forge.example"));
        assert_ne!(before.address("forge.example"), Names::new(session(2), 9).address("forge.example"));
    }

    #[test]
    fn the_quota_is_a_wall_for_new_names_only() {
        let names = Names::new(session(1), 3);
        let known = names.address("0.example");
        for number in 1..3 {
            assert!(names.address(&format!("{number}.example")).is_some());
        }
        assert_eq!(names.address("3.example"), None);
        assert_eq!(names.address("0.example"), known);
    }

    #[test]
    fn the_gateways_own_name_needs_no_place_and_gives_none_up() {
        let names = Names::new(session(1), 0);
        assert_eq!(names.address("a.example"), None);
        assert_eq!(names.address(HOOK_HOST), Some(HOOK_ADDRESS));
        assert_eq!(names.name(HOOK_ADDRESS).as_deref(), Some(HOOK_HOST));
        assert!(u32::from(HOOK_ADDRESS) < FIRST + RESERVED && is_synthetic(HOOK_ADDRESS));
        assert!(names.all().is_empty());
        let host: bailiwick_catalogue::Host = HOOK_HOST.parse().unwrap();
        assert!(host.is_reserved());
    }

    #[test]
    fn no_two_names_share_an_address() {
        let names = Names::new(session(7), 20_000);
        let distinct: std::collections::HashSet<_> =
            (0..20_000).map(|number| names.address(&format!("{number}.example")).unwrap()).collect();
        assert_eq!(distinct.len(), 20_000);
        assert!(
            distinct.iter().all(|address| u32::from(*address) >= FIRST + RESERVED && is_synthetic(*address))
        );
    }
}
