//! Who is connected, as far as an address says: which network a peer comes from, and places for connections, so many in all and so
//! many for one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who counts as one: of IPv4 the address, of IPv6 the network of 64 bits, which one subscriber has.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub struct PlacesMax {
    /// In all.
    pub all: usize,
    /// For one network.
    pub of_network: usize,
}

/// Places for connections.
#[derive(Debug)]
pub struct Places {
    max: PlacesMax,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of a connection; given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(max: PlacesMax) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    /// A place for one more connection from an address, if there is one.
    #[must_use]
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = network_of(address);
        let mut taken = self.lock();
        let of_network = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.count >= self.max.all || of_network >= self.max.of_network {
            return None;
        }
        taken.count += 1;
        taken.by_network.insert(network, of_network + 1);
        Some(Place {
            places: Arc::clone(self),
            network,
        })
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.count -= 1;
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_is_an_address_of_ipv4_and_64_bits_of_ipv6() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(network_of(at(address)), at(network));
        }
    }

    #[test]
    fn places_are_bounded_in_all_and_for_a_network_and_are_given_back() {
        let places = Places::new(PlacesMax {
            all: 3,
            of_network: 2,
        });
        let first = places.take(at("2001:db8::1"));
        let second = places.take(at("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(at("2001:db8::3")).is_none(), "of one network");
        let other = places.take(at("192.0.2.1"));
        assert!(other.is_some());
        assert!(places.take(at("192.0.2.2")).is_none(), "in all");
        assert_eq!(places.taken(), 3);
        drop(first);
        let again = places.take(at("::ffff:192.0.2.1"));
        assert!(again.is_some());
        drop((second, other, again));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().by_network.is_empty(), "nobody is remembered");
    }
}
