//! The stretches of the owner and creator indexes that belong to single members: merging them, counting them.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text};

use super::{Entry, Of, Place, Scan, load_count};
use crate::Result;
use crate::db::Conn;
use crate::db::statement::Pieces;
use crate::db::types::{Slot, Timestamp};
use crate::on_each;
use crate::permissions::slots::Slots;

/// The stretches of the owner and creator indexes that belong to some members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Stretches {
    pub owned: Vec<Slot>,
    pub made: Vec<Slot>,
}

impl Stretches {
    /// Everything of these members.
    pub fn of(slots: &Slots) -> Stretches {
        let each: Vec<Slot> = slots.iter().collect();
        Stretches {
            owned: each.clone(),
            made: each,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.owned.len() + self.made.len()
    }
}

impl Scan {
    /// The stretches whose first entry is among the best `limit`, and the place of the last of these: whatever stands
    /// up to there is in those stretches. Nothing is said of a place when all stretches are needed.
    pub fn heads(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        limit: usize,
    ) -> Result<(Stretches, Option<Place>)> {
        let mut heads = match conn {
            Conn::Pg(_) => self.heads_there(conn, stretches, limit)?,
            Conn::Sqlite(_) => self.heads_here(conn, stretches)?,
        };
        let down = self.down;
        heads.sort_by(|a, b| if down { b.2.cmp(&a.2) } else { a.2.cmp(&b.2) });
        let until = heads.get(limit - 1).map(|head| head.2.clone());
        // A head at the very place of the last may belong to a better record: ties stay in.
        let chosen = heads.into_iter().filter(|head| match &until {
            Some(until) if down => head.2 >= *until,
            Some(until) => head.2 <= *until,
            None => true,
        });
        let mut best = Stretches::default();
        for (slot, made, _) in chosen {
            if made {
                best.made.push(slot);
            } else {
                best.owned.push(slot);
            }
        }
        Ok((best, until))
    }

    /// (member, whether as creator, place of the newest).
    fn heads_there(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        limit: usize,
    ) -> Result<Vec<(Slot, bool, Place)>> {
        let place = self.indexes().place;
        let half = |slots: &[Slot], of: Of| {
            Pieces::default()
                .sql(format!(
                    "(SELECT number, {}, head.{place} FROM ",
                    of == Of::EachMade
                ))
                .each(numbers(slots))
                .sql(format!(" CROSS JOIN LATERAL (SELECT {place}, id FROM "))
                .then(self.range(of))
                .sql(self.ordered())
                .sql(" LIMIT 1) AS head)")
        };
        let way = if self.down { "DESC" } else { "ASC" };
        let statement = half(&stretches.owned, Of::EachOwned)
            .sql(" UNION ALL ")
            .then(half(&stretches.made, Of::EachMade))
            .sql(format!(
                " ORDER BY 3 {way} FETCH FIRST {limit} ROWS WITH TIES"
            ));
        self.load_heads(conn, statement)
    }

    fn heads_here(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
    ) -> Result<Vec<(Slot, bool, Place)>> {
        let place = self.indexes().place;
        let half = |slots: &[Slot], of: Of| {
            Pieces::default()
                .sql(format!(
                    "SELECT number, {} AS made, (SELECT {place} FROM ",
                    of == Of::EachMade
                ))
                .then(self.range(of))
                .sql(self.ordered())
                .sql(" LIMIT 1) AS place FROM ")
                .each(numbers(slots))
        };
        let statement = Pieces::default()
            .sql("SELECT number, made, place FROM (")
            .then(half(&stretches.owned, Of::EachOwned))
            .sql(" UNION ALL ")
            .then(half(&stretches.made, Of::EachMade))
            .sql(") WHERE place IS NOT NULL");
        self.load_heads(conn, statement)
    }

    /// The best `limit` entries of some stretches, `each` of every one at most, each entry once, not beyond a place.
    /// `creators`: with who made them; else the owner stands there, who is all that the index by owner holds.
    pub fn merged(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        until: Option<Place>,
        each: usize,
        limit: usize,
        creators: bool,
    ) -> Result<Vec<Entry>> {
        let mut found = self.some_of_each(conn, stretches, until, each, limit, creators)?;
        self.put_in_order(&mut found, limit);
        Ok(found)
    }

    fn some_of_each(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        until: Option<Place>,
        each: usize,
        limit: usize,
        creators: bool,
    ) -> Result<Vec<Entry>> {
        let scan = Scan {
            until: until.or_else(|| self.until.clone()),
            ..self.clone()
        };
        match conn {
            Conn::Pg(_) => scan.merged_there(conn, stretches, each, limit, creators),
            Conn::Sqlite(_) => scan.merged_here(conn, stretches, each, creators),
        }
    }

    /// The best `limit` entries of some stretches: `few` of each are asked for at first, and all that are needed of
    /// those whose few were all good enough.
    pub fn merged_by_few(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        few: usize,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let some = self.some_of_each(conn, stretches, None, few, limit, false)?;
        let mut given: HashMap<(bool, Slot), (usize, &Entry)> = HashMap::new();
        for entry in &some {
            // The index by creator holds nothing that the creator owns.
            let made = entry.creator != entry.owner;
            let last = given.entry((made, entry.creator)).or_insert((0, entry));
            last.0 += 1;
            if self.order(last.1, entry).is_lt() {
                last.1 = entry;
            }
        }
        let mut best = some.clone();
        self.put_in_order(&mut best, limit);
        let worst = best.get(limit - 1).cloned();
        let mut again = Stretches::default();
        for ((made, slot), (number, last)) in given {
            let behind = worst.as_ref().is_some_and(|w| self.order(last, w).is_gt());
            match made {
                _ if number < few || behind => {}
                true => again.made.push(slot),
                false => again.owned.push(slot),
            }
        }
        if again.len() > 0 {
            let until = worst.map(|worst| worst.place);
            best.extend(self.some_of_each(conn, &again, until, limit, limit, false)?);
            self.put_in_order(&mut best, limit);
        }
        Ok(best)
    }

    /// Puts entries in order, each once, and keeps the best `limit`.
    fn put_in_order(&self, found: &mut Vec<Entry>, limit: usize) {
        found.sort_by(|a, b| self.order(a, b));
        // A record of two members who are both seen came twice: as its owner's entry and as its creator's.
        found.dedup_by_key(|entry| entry.id);
        found.truncate(limit);
    }

    fn merged_there(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        each: usize,
        limit: usize,
        creators: bool,
    ) -> Result<Vec<Entry>> {
        let place = self.indexes().place;
        let half = |slots: &[Slot], of: Of| {
            Pieces::default()
                .sql("(SELECT best.* FROM ")
                .each(numbers(slots))
                .sql(" CROSS JOIN LATERAL (")
                .sql(self.columns_of(of, creators))
                .then(self.range(of))
                .sql(self.ordered())
                .sql(format!(" LIMIT {each}) AS best)"))
        };
        let way = if self.down { "DESC" } else { "ASC" };
        let statement = half(&stretches.owned, Of::EachOwned)
            .sql(" UNION ALL ")
            .then(half(&stretches.made, Of::EachMade))
            .sql(format!(
                " ORDER BY {place} {way}, id {way} LIMIT {}",
                2 * limit
            ));
        self.load_entries(conn, statement)
    }

    fn merged_here(
        &self,
        conn: &mut Conn,
        stretches: &Stretches,
        each: usize,
        creators: bool,
    ) -> Result<Vec<Entry>> {
        let owned = stretches.owned.iter().map(|slot| Of::Owned(*slot));
        let made = stretches.made.iter().map(|slot| Of::Made(*slot));
        let mut found = Vec::new();
        for of in owned.chain(made) {
            let statement = Pieces::default()
                .sql(self.columns_of(of, creators))
                .then(self.range(of))
                .sql(self.ordered())
                .sql(format!(" LIMIT {each}"));
            found.extend(self.load_entries(conn, statement)?);
        }
        Ok(found)
    }

    fn columns_of(&self, of: Of, creators: bool) -> String {
        match of {
            Of::EachOwned | Of::Owned(_) if !creators => {
                let place = self.indexes().place;
                format!("SELECT id, {place}, owner_slot AS creator_slot, owner_slot FROM ")
            }
            _ => self.columns(),
        }
    }

    /// How many records some members own, up to `cap`.
    pub fn count_owned(&self, conn: &mut Conn, slots: &[Slot], cap: usize) -> Result<usize> {
        let statement = Pieces::default()
            .sql("SELECT COUNT(*) FROM (")
            .then(self.of_each(conn, "id", slots, Of::EachOwned, cap))
            .sql(") AS counted");
        load_count(conn, statement)
    }

    /// How many of the next `budget` records that these members made for somebody else belong to nobody among them, and
    /// whether that were all.
    pub fn count_made(
        &self,
        conn: &mut Conn,
        slots: &[Slot],
        seen: &Slots,
        budget: usize,
    ) -> Result<(usize, bool)> {
        let statement = self.of_each(conn, "owner_slot", slots, Of::EachMade, budget);
        let owners: Vec<Slot> = on_each!(conn, c => statement.giving::<Integer>().load(c))?;
        let others = owners
            .iter()
            .filter(|owner| !seen.contains(**owner))
            .count();
        Ok((others, owners.len() < budget))
    }

    /// `SELECT column` of each of some members' stretches, `limit` rows in all.
    fn of_each(&self, conn: &Conn, column: &str, slots: &[Slot], of: Of, limit: usize) -> Pieces {
        match conn {
            Conn::Pg(_) => Pieces::default()
                .sql(format!("SELECT one.{column} FROM "))
                .each(numbers(slots))
                .sql(format!(" CROSS JOIN LATERAL (SELECT {column} FROM "))
                .then(self.range(of))
                .sql(format!(" LIMIT {limit}) AS one LIMIT {limit}")),
            Conn::Sqlite(_) => Pieces::default()
                .sql(format!("SELECT {column} FROM "))
                .each(numbers(slots))
                .sql(" CROSS JOIN ")
                .then(self.range(of))
                .sql(format!(" LIMIT {limit}")),
        }
    }

    fn load_heads(&self, conn: &mut Conn, pieces: Pieces) -> Result<Vec<(Slot, bool, Place)>> {
        if self.by_name {
            let rows: Vec<(Slot, bool, String)> =
                on_each!(conn, c => pieces.giving::<(Integer, Bool, Text)>().load(c))?;
            return Ok(rows
                .into_iter()
                .map(|(slot, made, name)| (slot, made, Place::Name(name)))
                .collect());
        }
        let rows: Vec<(Slot, bool, Timestamp)> =
            on_each!(conn, c => pieces.giving::<(Integer, Bool, BigInt)>().load(c))?;
        Ok(rows
            .into_iter()
            .map(|(slot, made, at)| (slot, made, Place::Updated(at)))
            .collect())
    }
}

fn numbers(slots: &[Slot]) -> Vec<i32> {
    slots.iter().map(|slot| slot.0).collect()
}
