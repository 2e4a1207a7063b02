//! A set of members, as a bit per slot: 1.25 KB for 10,000 of them, and a test is one bit.

use crate::db::types::Slot;

/// Members by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    words: Vec<u64>,
}

impl Slots {
    /// Nobody, with room for slots below `size`.
    pub fn with_room(size: usize) -> Slots {
        Slots {
            words: vec![0; size.div_ceil(64)],
        }
    }

    /// Adds a member.
    pub fn insert(&mut self, slot: Slot) {
        let index = slot.index();
        if index == usize::MAX {
            return;
        }
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
    }

    /// True for a set of the same members, whatever room the two have.
    pub fn same_as(&self, other: &Slots) -> bool {
        let (short, long) = if self.words.len() < other.words.len() {
            (&self.words, &other.words)
        } else {
            (&other.words, &self.words)
        };
        let (begin, rest) = long.split_at(short.len());
        begin == short.as_slice() && rest.iter().all(|word| *word == 0)
    }

    /// Adds everybody of another set.
    pub fn join(&mut self, other: &Slots) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// True when the member is in the set.
    #[inline]
    pub fn contains(&self, slot: Slot) -> bool {
        let index = slot.index();
        self.words
            .get(index / 64)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True for nobody.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Those who are in both sets.
    #[must_use]
    pub fn and(&self, other: &Slots) -> Slots {
        let both = self.words.iter().zip(&other.words);
        Slots {
            words: both.map(|(a, b)| a & b).collect(),
        }
    }

    /// How many are in both sets.
    pub fn common(&self, other: &Slots) -> usize {
        let both = self.words.iter().zip(&other.words);
        both.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// Bytes it takes in memory.
    pub fn size(&self) -> usize {
        8 * self.words.capacity()
    }

    /// All, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.words.iter().enumerate().flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                i32::try_from(place * 64 + bit).ok().map(Slot)
            })
        })
    }

    /// The bits, lowest slot first: eight slots to a byte, the lowest in the lowest bit. As both databases test them.
    pub fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Slots {
        let mut set = Slots::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let some = [0, 1, 63, 64, 65, 1000].map(Slot);
        let set: Slots = some.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), some);
        assert_eq!(set.len(), some.len());
        assert!(!set.contains(Slot(2)) && !set.contains(Slot(5000)) && !set.contains(Slot(-1)));
        assert!(Slots::with_room(10).is_empty());
        assert_eq!(set.bytes()[8], 0b11);
        let others: Slots = [1, 65, 2000].map(Slot).into_iter().collect();
        assert_eq!((set.common(&others), set.and(&others).len()), (2, 2));
        let mut all = set.clone();
        all.join(&others);
        assert_eq!(all.len(), some.len() + 1);
        let mut roomy = Slots::with_room(5000);
        assert!(!roomy.same_as(&set) && !set.same_as(&roomy));
        roomy.join(&set);
        assert!(roomy.same_as(&set) && set.same_as(&roomy));
        roomy.insert(Slot(4000));
        assert!(!roomy.same_as(&set) && !set.same_as(&roomy));
    }
}
