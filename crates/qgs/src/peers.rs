//! Who asks, and how much each may ask at once.
//!
//! Must stay true: what one peer does not get, another still does; nobody is known by what they say of themselves.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::{Failure, Hop};

/// Who is at the other end, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// A process of this user, at a Unix socket.
    User(u32),
    /// The virtual machine with this context id, over vsock.
    Machine(u32),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "uid {id}"),
            Self::Machine(id) => write!(f, "cid {id}"),
        }
    }
}

/// How much one peer, and all together, may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all peers.
    pub connections: usize,
    /// Connections of a user. All virtual machines of a host may run as one.
    pub connections_per_user: usize,
    /// Connections of a virtual machine.
    pub connections_per_machine: usize,
    /// Requests of a user that wait for an answer.
    pub requests_per_user: usize,
    /// Requests of a virtual machine that wait for an answer.
    pub requests_per_machine: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_user: 2_048,
            connections_per_machine: 64,
            requests_per_user: 256,
            requests_per_machine: 16,
        }
    }
}

/// Connections of one peer that are over its limit, and are told so. What is more is closed at once.
const TURNED_AWAY: usize = 8;

/// Requests of one peer, and of all, that are longer than any client needs: each may be a megabyte.
const LARGE_OF_ONE: usize = 4;
const LARGE_OF_ALL: usize = 64;

/// Who is here, and with how much.
pub(crate) struct Peers {
    limits: Mutex<Limits>,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    /// Those that were let in.
    connections: usize,
    large: usize,
    loads: HashMap<Peer, Load>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    connections: usize,
    turned_away: usize,
    requests: usize,
    large: usize,
}

/// A connection that counts, until it is dropped.
pub(crate) struct Connected {
    peers: Arc<Peers>,
    pub(crate) peer: Peer,
    /// Why it is one too many, and is to be told so.
    pub(crate) refused: Option<Failure>,
}

/// A request that counts, until it is dropped.
pub(crate) struct Asking<'c>(&'c Connected);

/// A long request that counts, until it is dropped.
pub(crate) struct Large<'c>(&'c Connected);

impl Peers {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits: Mutex::new(limits), present: Mutex::default() })
    }

    /// Other limits from now on. Who is here stays.
    pub(crate) fn limit(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Lets a connection in, or in to be turned away; neither where a peer has more of those than can be told.
    pub(crate) fn connect(self: &Arc<Self>, peer: Peer) -> Result<Connected, Failure> {
        let limits = self.limits();
        let mut present = self.present();
        let all = present.connections;
        let own = present.loads.entry(peer).or_default();
        let most = limits.connections_of(peer);
        let refused = match (own.connections >= most, all >= limits.connections) {
            (true, _) => Some(too_many("connections", peer, most)),
            (_, true) => Some(crowded(all)),
            _ => None,
        };
        match refused {
            Some(failure) if own.turned_away >= TURNED_AWAY => return Err(failure),
            Some(_) => own.turned_away = own.turned_away.saturating_add(1),
            None => {
                own.connections = own.connections.saturating_add(1);
                present.connections = all.saturating_add(1);
            }
        }
        Ok(Connected { peers: Arc::clone(self), peer, refused })
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.present().connections
    }

    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    fn connections_of(&self, peer: Peer) -> usize {
        if peer.stands_for_many() {
            self.connections_per_user
        } else {
            self.connections_per_machine
        }
    }

    fn requests_of(&self, peer: Peer) -> usize {
        if peer.stands_for_many() { self.requests_per_user } else { self.requests_per_machine }
    }
}

impl Peer {
    /// Whether several virtual machines ask as this one: a user who runs them, or the host itself (VMADDR_CID_LOCAL,
    /// VMADDR_CID_HOST), whose QEMU passes requests on over vsock.
    fn stands_for_many(self) -> bool {
        matches!(self, Self::User(_) | Self::Machine(0..=2))
    }
}

impl Connected {
    /// Counts a request, unless it is one too many.
    pub(crate) fn ask(&self) -> Result<Asking<'_>, Failure> {
        let most = self.peers.limits().requests_of(self.peer);
        let mut present = self.peers.present();
        let own = present.loads.entry(self.peer).or_default();
        if own.requests >= most {
            return Err(too_many("requests", self.peer, most));
        }
        own.requests = own.requests.saturating_add(1);
        Ok(Asking(self))
    }

    /// Counts a long request, unless it is one too many.
    pub(crate) fn ask_at_length(&self) -> Result<Large<'_>, Failure> {
        let mut present = self.peers.present();
        let all = present.large;
        let own = present.loads.entry(self.peer).or_default();
        if own.large >= LARGE_OF_ONE || all >= LARGE_OF_ALL {
            return Err(too_long());
        }
        own.large = own.large.saturating_add(1);
        present.large = all.saturating_add(1);
        Ok(Large(self))
    }

    /// Takes something from what this peer has, and forgets a peer that has nothing.
    fn release(&self, take: impl FnOnce(&mut Load)) -> MutexGuard<'_, Present> {
        let mut present = self.peers.present();
        if let Some(own) = present.loads.get_mut(&self.peer) {
            take(own);
            if *own == Load::default() {
                present.loads.remove(&self.peer);
            }
        }
        present
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if self.refused.is_some() {
            drop(self.release(|own| own.turned_away = own.turned_away.saturating_sub(1)));
        } else {
            let mut present =
                self.release(|own| own.connections = own.connections.saturating_sub(1));
            present.connections = present.connections.saturating_sub(1);
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        drop(self.0.release(|own| own.requests = own.requests.saturating_sub(1)));
    }
}

impl Drop for Large<'_> {
    fn drop(&mut self) {
        let mut present = self.0.release(|own| own.large = own.large.saturating_sub(1));
        present.large = present.large.saturating_sub(1);
    }
}

fn too_many(what: &str, peer: Peer, most: usize) -> Failure {
    let text =
        format!("{peer} has {most} {what} already, which is the most that one peer may have");
    Failure::new(Hop::Queue, "queue.peer", text)
        .with_remedy("see [limits] in the configuration, or ask the peer why it asks so often")
}

fn crowded(all: usize) -> Failure {
    let text = format!("there are {all} connections already, which is the most");
    Failure::new(Hop::Queue, "queue.connections", text)
        .with_remedy("see [limits] in the configuration")
}

fn too_long() -> Failure {
    let text = format!(
        "a request of more than 4 KiB, where this peer has {LARGE_OF_ONE} such or all have {LARGE_OF_ALL}"
    );
    Failure::new(Hop::Queue, "queue.large", text)
        .with_remedy("no client needs more than 4 KiB: find out who sends so much")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_user: usize, requests: usize) -> Limits {
        Limits {
            connections,
            connections_per_user: per_user,
            requests_per_user: requests,
            connections_per_machine: 1,
            requests_per_machine: 1,
        }
    }

    /// Why a connection is refused.
    fn code(connected: &Connected) -> Option<&'static str> {
        connected.refused.as_ref().map(|failure| failure.code)
    }

    #[test]
    fn one_peer_at_its_limit_leaves_the_others_theirs() {
        let peers = Peers::new(limits(4, 2, 1));
        let connect = |peer| peers.connect(peer).unwrap();
        let first = connect(Peer::User(1));
        let second = connect(Peer::User(1));
        assert_eq!((code(&first), code(&second)), (None, None));
        let third = connect(Peer::User(1));
        assert_eq!(code(&third), Some("queue.peer"));
        // Who is turned away takes nobody's place.
        let other = connect(Peer::User(2));
        let machine = connect(Peer::Machine(3));
        assert_eq!((code(&other), code(&machine)), (None, None));
        assert_eq!(code(&connect(Peer::User(3))), Some("queue.connections"));
        drop((first, third));
        assert_eq!(code(&connect(Peer::User(1))), None);
        assert_eq!(peers.connections(), 3);
    }

    #[test]
    fn only_so_many_are_turned_away_at_once() {
        let peers = Peers::new(limits(4, 1, 1));
        let _let_in = peers.connect(Peer::User(1)).unwrap();
        let mut turned_away: Vec<_> =
            (0..TURNED_AWAY).map(|_| peers.connect(Peer::User(1)).unwrap()).collect();
        assert_eq!(
            peers.connect(Peer::User(1)).err().map(|failure| failure.code),
            Some("queue.peer")
        );
        turned_away.pop();
        assert!(peers.connect(Peer::User(1)).is_ok());
        assert!(peers.connect(Peer::User(2)).is_ok_and(|connected| connected.refused.is_none()));
    }

    #[test]
    fn requests_count_until_they_are_answered() {
        let peers = Peers::new(limits(4, 4, 1));
        let (first, second) =
            (peers.connect(Peer::User(1)).unwrap(), peers.connect(Peer::User(1)).unwrap());
        let asking = first.ask().unwrap();
        assert_eq!(second.ask().err().map(|failure| failure.code), Some("queue.peer"));
        drop(asking);
        assert!(second.ask().is_ok());
    }

    #[test]
    fn long_requests_count_for_each_peer_and_for_all() {
        let peers = Peers::new(Limits::default());
        let connected: Vec<_> =
            (0..17).map(|user| peers.connect(Peer::User(user)).unwrap()).collect();
        let mut large: Vec<_> =
            (0..LARGE_OF_ONE).map(|_| connected[0].ask_at_length().unwrap()).collect();
        assert!(connected[0].ask_at_length().is_err());
        for one in &connected[1..16] {
            large.extend((0..LARGE_OF_ONE).map(|_| one.ask_at_length().unwrap()));
        }
        assert_eq!(large.len(), LARGE_OF_ALL);
        assert_eq!(
            connected[16].ask_at_length().err().map(|failure| failure.code),
            Some("queue.large")
        );
        large.pop();
        assert!(connected[16].ask_at_length().is_ok());
    }

    #[test]
    fn the_host_stands_for_many_machines_and_a_machine_for_itself() {
        let peers = Peers::new(limits(9, 2, 1));
        for (cid, most) in [(0, 2), (1, 2), (2, 2), (3, 1)] {
            let connected: Vec<_> =
                (0..3).map(|_| peers.connect(Peer::Machine(cid)).unwrap()).collect();
            assert_eq!(connected.iter().filter(|one| one.refused.is_none()).count(), most, "{cid}");
        }
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let peers = Peers::new(limits(4, 1, 1));
        let connected = peers.connect(Peer::User(1)).unwrap();
        let _turned_away = peers.connect(Peer::User(1)).unwrap();
        drop((connected.ask(), connected.ask_at_length()));
        drop(connected);
        drop(_turned_away);
        assert!(peers.present().loads.is_empty());
        assert_eq!((peers.connections(), peers.present().large), (0, 0));
    }

    #[test]
    fn limits_can_change_under_way() {
        let peers = Peers::new(limits(4, 4, 1));
        let _first = peers.connect(Peer::User(1)).unwrap();
        peers.limit(limits(1, 1, 1));
        assert_eq!(code(&peers.connect(Peer::User(1)).unwrap()), Some("queue.peer"));
    }
}
