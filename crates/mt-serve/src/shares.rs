//! Who holds how much of what there is not enough of, and who gives way.
//!
//! Connections and the memory of unfinished bodies are given to whoever asks. Where all is taken, the client that holds
//! most gives up what it has held longest without use, so nobody can keep others out by holding on to what was free.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Something that is shared between clients.
#[derive(Debug)]
pub(crate) struct Shares {
    amount: usize,
    start: Instant,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    used: usize,
    /// What each client holds.
    clients: BTreeMap<IpAddr, usize>,
    shares: BTreeMap<Key, (usize, Arc<Holder>)>,
    count: u64,
}

/// A client, milliseconds to when a share of it was last known to be used, and a number that tells shares apart.
type Key = (IpAddr, u64, u64);

#[derive(Debug)]
struct Holder {
    client: IpAddr,
    /// The time in its key, changed by who holds the lock of all, and when it was last used.
    known: AtomicU64,
    used: AtomicU64,
    number: u64,
    /// Reasons not to take it away.
    kept: AtomicU32,
    lost: Notify,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    holder: Arc<Holder>,
}

/// Keeps a share from being taken away.
#[derive(Debug)]
pub(crate) struct Kept<'a>(&'a Holder);

impl Shares {
    pub fn new(amount: usize) -> Arc<Self> {
        Arc::new(Self { amount, start: Instant::now(), held: Mutex::default() })
    }

    /// A share for a client, to which others give way that were not used for so long; `None` where there is not enough.
    pub fn take(self: &Arc<Self>, client: IpAddr, amount: usize, unused: Duration) -> Option<Share> {
        let (mut held, now) = (self.held(), self.now());
        if !held.make_room(amount, self.amount, now.checked_sub(unused.as_millis() as u64)) {
            return None;
        }
        held.count += 1;
        let (known, used) = (AtomicU64::new(now), AtomicU64::new(now));
        let (number, kept, lost) = (held.count, AtomicU32::new(0), Notify::new());
        let holder = Arc::new(Holder { client, known, used, number, kept, lost });
        held.shares.insert(holder.key(), (0, holder.clone()));
        held.add(&holder, amount);
        Some(Share { shares: self.clone(), holder })
    }

    /// Takes one away that was not used for so long, and says whether there was one.
    pub fn give_up_one(&self, unused: Duration) -> bool {
        self.now().checked_sub(unused.as_millis() as u64).is_some_and(|before| self.held().take_away(before))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

impl Share {
    /// Takes more. `false` where there is not enough, or the share itself had to give way.
    pub fn grow(&self, amount: usize) -> bool {
        let mut held = self.shares.held();
        held.make_room(amount, self.shares.amount, Some(u64::MAX)) && held.add(&self.holder, amount)
    }

    /// Waits until it is taken away.
    pub async fn lost(&self) {
        self.holder.lost.notified().await;
    }

    /// Says that it is used now.
    pub fn touch(&self) {
        self.holder.used.store(self.shares.now(), Ordering::Relaxed);
    }

    /// When it was last used, or taken.
    pub fn last_used(&self) -> Instant {
        self.shares.start + Duration::from_millis(self.holder.used.load(Ordering::Relaxed))
    }

    /// Keeps it until the end of what is returned.
    pub fn keep(&self) -> Kept<'_> {
        self.holder.kept.fetch_add(1, Ordering::Relaxed);
        Kept(&self.holder)
    }

    pub fn is_kept(&self) -> bool {
        self.holder.kept.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.held().remove(&self.holder);
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Held {
    /// `false` where the share was taken away.
    fn add(&mut self, holder: &Holder, amount: usize) -> bool {
        let Some((has, _)) = self.shares.get_mut(&holder.key()) else { return false };
        *has += amount;
        self.used += amount;
        *self.clients.entry(holder.client).or_default() += amount;
        true
    }

    fn remove(&mut self, holder: &Holder) {
        let Some((has, _)) = self.shares.remove(&holder.key()) else { return };
        self.used -= has;
        if let Some(all) = self.clients.get_mut(&holder.client) {
            *all -= has;
            if *all == 0 {
                self.clients.remove(&holder.client);
            }
        }
    }

    /// Makes room by taking away what was not used since `before`.
    fn make_room(&mut self, amount: usize, all: usize, before: Option<u64>) -> bool {
        while amount > all - self.used.min(all) {
            if amount > all || !before.is_some_and(|before| self.take_away(before)) {
                return false;
            }
        }
        true
    }

    fn take_away(&mut self, before: u64) -> bool {
        let Some(holder) = self.victim(before) else { return false };
        self.remove(&holder);
        holder.lost.notify_one();
        true
    }

    /// Who gives way: of the client that holds most, else of any, the share that was longest without use.
    fn victim(&mut self, before: u64) -> Option<Arc<Holder>> {
        let most = self.clients.iter().max_by_key(|(_, amount)| **amount).map(|(client, _)| *client)?;
        self.oldest(Some(most), before).or_else(|| self.oldest(None, before))
    }

    fn oldest(&mut self, client: Option<IpAddr>, before: u64) -> Option<Arc<Holder>> {
        loop {
            let free = |holder: &&Arc<Holder>| holder.kept.load(Ordering::Relaxed) == 0;
            let holder = match client {
                Some(client) => {
                    let of_client = self.shares.range((client, 0, 0)..=(client, u64::MAX, u64::MAX));
                    of_client.map(|(_, (_, holder))| holder).find(free)
                }
                None => {
                    let all = self.shares.values().map(|(_, holder)| holder);
                    all.filter(free).min_by_key(|holder| holder.known.load(Ordering::Relaxed))
                }
            };
            let holder = holder?.clone();
            let used = holder.used.load(Ordering::Relaxed);
            if holder.known.load(Ordering::Relaxed) == used {
                // The others were used later.
                return Some(holder).filter(|_| used <= before);
            }
            if let Some(share) = self.shares.remove(&holder.key()) {
                holder.known.store(used, Ordering::Relaxed);
                self.shares.insert(holder.key(), share);
            }
        }
    }
}

impl Holder {
    fn key(&self) -> Key {
        (self.client, self.known.load(Ordering::Relaxed), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn is_lost(share: &Share) -> bool {
        !share.shares.held().shares.contains_key(&share.holder.key())
    }

    #[test]
    fn who_holds_most_gives_up_what_was_longest_without_use() {
        let shares = Shares::new(5);
        let take = |client| shares.take(client, 1, Duration::ZERO).expect("room");
        let two = take(TWO);
        let one: Vec<Share> = (0..4).map(|_| take(ONE)).collect();
        assert!(shares.take(TWO, 1, Duration::from_secs(60)).is_none(), "all were used a moment ago");
        std::thread::sleep(Duration::from_millis(2));
        one[0].touch();
        let _kept = one[1].keep();
        let more = take(TWO);
        assert_eq!([0, 1, 2, 3].map(|i| is_lost(&one[i])), [false, false, true, false]);
        let again = take(TWO);
        assert_eq!([0, 1, 3].map(|i| is_lost(&one[i])), [false, false, true]);
        assert!(![&two, &more, &again].into_iter().any(is_lost));
        // Now the second holds most.
        drop(take(ONE));
        assert!(is_lost(&two) && !is_lost(&one[0]));
    }

    #[test]
    fn what_is_kept_is_not_taken_away_and_what_is_dropped_is_free() {
        let shares = Shares::new(10);
        let take = |client, amount| shares.take(client, amount, Duration::ZERO);
        let large = take(ONE, 8).expect("room");
        let kept = large.keep();
        assert!(take(TWO, 3).is_none() && take(TWO, 11).is_none());
        let small = take(TWO, 2).expect("room");
        assert!(!small.grow(1), "it is the only one that can give way");
        assert!(is_lost(&small) && !small.grow(0));
        drop(kept);
        assert!(take(TWO, 3).is_some());
        assert!(is_lost(&large) && !large.grow(1));
        drop((large, small));
        let held = shares.held();
        assert!(held.used == 0 && held.clients.is_empty(), "{held:?}");
    }
}
