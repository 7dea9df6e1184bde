//! Where clients come from, and how many connections each may have.
//!
//! Must stay true: what one address does not get, another still does; those from elsewhere take no place from those of
//! this machine: a proxy, which stands for many, and who asks for the health.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// Connections that wait for a place, of this machine and of others each; the rest are closed.
const WAITING: usize = 256;

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// This machine: a loopback address, or a Unix socket.
    Local,
    /// Another one, at this address.
    Remote(IpAddr),
}

impl Peer {
    pub(super) fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            // One client has all the addresses of a network of 64 bits.
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self::Remote(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Self::Remote(address),
        }
    }
}

/// Who is here, and with how much.
#[derive(Debug)]
pub(super) struct Peers {
    /// The most connections of one address.
    share: usize,
    /// Places of all those of this machine, and of all others.
    local: Places,
    remote: Places,
    loads: Mutex<HashMap<IpAddr, Load>>,
}

/// Room for connections, and for those that wait for it.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    waiting: Semaphore,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    connections: usize,
    /// Whether the log has it that there were too many.
    is_told: bool,
}

/// A connection that counts, until it is dropped.
#[derive(Debug)]
pub(super) struct Connected {
    _counted: Counted,
    _place: OwnedSemaphorePermit,
}

/// One of those of an address.
#[derive(Debug)]
struct Counted(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let places = || Places::new(limits.connections.min(Semaphore::MAX_PERMITS));
        let share = limits.connections_per_address;
        Arc::new(Self { share, local: places(), remote: places(), loads: Mutex::default() })
    }

    /// Lets a connection in once there is a place for it; never, if its address has its share, or too many wait.
    pub(super) async fn connect(self: &Arc<Self>, peer: Peer) -> Option<Connected> {
        let (counted, places) = match peer {
            Peer::Local => (Some(Counted(None)), &self.local),
            Peer::Remote(address) => (self.count(address), &self.remote),
        };
        let counted = counted?;
        let place = places.take().await?;
        Some(Connected { _counted: counted, _place: place })
    }

    fn count(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let mut loads = self.loads();
        let load = loads.entry(address).or_default();
        if load.connections < self.share {
            load.connections = load.connections.saturating_add(1);
            return Some(Counted(Some((Arc::clone(self), address))));
        }
        let is_new = !std::mem::replace(&mut load.is_told, true);
        drop(loads);
        if is_new {
            let most = self.share;
            tracing::warn!(%address, most, "it has its share of the connections: further ones are closed");
        }
        None
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<IpAddr, Load>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn new(places: usize) -> Self {
        let waiting = Semaphore::new(places.min(WAITING));
        Self { free: Arc::new(Semaphore::new(places)), waiting }
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((peers, address)) = &self.0 else { return };
        let mut loads = peers.loads();
        if let Some(load) = loads.get_mut(address) {
            load.connections = load.connections.saturating_sub(1);
            if load.connections == 0 {
                loads.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn peers(connections: usize, connections_per_address: usize) -> Arc<Peers> {
        Peers::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    fn peer(address: &str) -> Peer {
        Peer::at(address.parse().unwrap())
    }

    /// Whether there is a place at once; `None`, if it has to be waited for.
    async fn connect(peers: &Arc<Peers>, address: &str) -> Option<Option<Connected>> {
        let mut connecting = std::pin::pin!(peers.connect(peer(address)));
        let polled =
            std::future::poll_fn(|context| Poll::Ready(connecting.as_mut().poll(context))).await;
        match polled {
            Poll::Ready(connected) => Some(connected),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn one_address_with_its_share_leaves_the_others_theirs() {
        let peers = peers(4, 2);
        let first = connect(&peers, "192.0.2.1").await.unwrap();
        let second = connect(&peers, "::ffff:192.0.2.1").await.unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(connect(&peers, "192.0.2.1").await.unwrap().is_none());
        let other = connect(&peers, "192.0.2.2").await.unwrap();
        assert!(other.is_some());
        drop(second);
        assert!(connect(&peers, "192.0.2.1").await.unwrap().is_some());
        drop((first, other));
        assert!(peers.loads().is_empty());
    }

    #[tokio::test]
    async fn those_of_this_machine_have_places_of_their_own_and_no_share() {
        let peers = peers(2, 1);
        let remote = [connect(&peers, "192.0.2.1").await, connect(&peers, "192.0.2.2").await];
        assert!(remote.iter().all(|place| matches!(place, Some(Some(_)))));
        assert!(connect(&peers, "192.0.2.3").await.is_none());
        let local = [connect(&peers, "127.0.0.1").await, connect(&peers, "::1").await];
        assert!(local.iter().all(|place| matches!(place, Some(Some(_)))));
        assert!(connect(&peers, "127.0.0.1").await.is_none());
        drop(remote);
        // Whoever waited and went away counts no more.
        assert!(matches!(connect(&peers, "192.0.2.3").await, Some(Some(_))));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:0:0:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("127.1.2.3"), Peer::Local);
        assert_eq!(peer("::ffff:127.0.0.1"), Peer::Local);
    }
}
