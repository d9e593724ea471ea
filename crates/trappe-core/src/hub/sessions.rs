//! The sessions: by which token a member that lost its connection is itself again on the next one (PROTOCOL §5).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use crate::{
    limits::{SESSION_KEPT, SESSIONS_AWAY},
    name::Name,
};

#[derive(Debug)]
struct Session<S> {
    token: Arc<str>,
    state: S,
    /// Since when its member has had no connection.
    away_since: Option<Duration>,
}

/// The sessions of the members that have one, and at most [`SESSIONS_AWAY`] of members that are away.
#[derive(Debug)]
pub(super) struct Sessions<S> {
    /// By the member's number.
    by_number: BTreeMap<u64, Session<S>>,
    numbers: BTreeMap<Arc<str>, u64>,
    /// The names of those that are away, the one that has been so for longest first.
    away: BTreeMap<(Duration, u64), Option<Name>>,
    /// The states of those that have ended, until somebody asks.
    ended: Vec<S>,
}

impl<S: Clone> Sessions<S> {
    pub(super) fn new() -> Sessions<S> {
        Sessions {
            by_number: BTreeMap::new(),
            numbers: BTreeMap::new(),
            away: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// Begins a session, unless the member has one; a token that is in use begins none.
    pub(super) fn begin(&mut self, number: u64, token: Box<str>, state: S) {
        let Entry::Vacant(session) = self.by_number.entry(number) else { return };
        let token: Arc<str> = token.into();
        let Entry::Vacant(known) = self.numbers.entry(Arc::clone(&token)) else { return };
        known.insert(number);
        session.insert(Session { token, state, away_since: None });
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &S> {
        self.by_number.values().map(|session| &session.state)
    }

    pub(super) fn of(&self, number: u64) -> Option<(&str, &S)> {
        self.by_number.get(&number).map(|session| (&*session.token, &session.state))
    }

    /// Whose session it is, and its state; none if it has been away for too long.
    pub(super) fn find(&self, now: Duration, token: &str) -> Option<(u64, S)> {
        let &number = self.numbers.get(token)?;
        let session = self.by_number.get(&number)?;
        let over = session.away_since.is_some_and(|since| is_over(now, since));
        (!over).then(|| (number, session.state.clone()))
    }

    /// The member lost its connection; its session keeps its name. Returns the name that nobody keeps any longer: its own
    /// if it has no session, or that of the one that had been away for longest and had to give way.
    pub(super) fn go_away(
        &mut self,
        now: Duration,
        number: u64,
        name: Option<Name>,
    ) -> Option<Name> {
        let Some(session) = self.by_number.get_mut(&number) else { return name };
        session.away_since = Some(now);
        self.away.insert((now, number), name);
        if self.away.len() <= SESSIONS_AWAY {
            return None;
        }
        let (&(_, longest), _) = self.away.first_key_value()?;
        self.end(longest)
    }

    /// The member has a connection again. Returns the name that was kept for it.
    pub(super) fn come_back(&mut self, number: u64) -> Option<Name> {
        let since = self.by_number.get_mut(&number)?.away_since.take()?;
        self.away.remove(&(since, number))?
    }

    /// The session is no more. Returns the name that it kept.
    pub(super) fn end(&mut self, number: u64) -> Option<Name> {
        let session = self.by_number.remove(&number)?;
        self.numbers.remove(&session.token);
        self.ended.push(session.state);
        self.away.remove(&(session.away_since?, number))?
    }

    pub(super) fn take_ended(&mut self) -> Vec<S> {
        std::mem::take(&mut self.ended)
    }

    /// A member that has been away for [`SESSION_KEPT`], if there is one.
    pub(super) fn first_over(&self, now: Duration) -> Option<u64> {
        let (&(since, number), _) = self.away.first_key_value()?;
        is_over(now, since).then_some(number)
    }

    /// The tables say the same of each session. Returns the names that are kept, and for whom.
    #[cfg(test)]
    pub(super) fn audit(&self) -> BTreeMap<u64, Option<Name>> {
        assert_eq!(self.numbers.len(), self.by_number.len());
        for (token, number) in &self.numbers {
            assert_eq!(self.by_number[number].token, *token);
        }
        let is_away = |(&n, s): (&u64, &Session<S>)| s.away_since.map(|since| (since, n));
        let mut away: Vec<(Duration, u64)> = self.by_number.iter().filter_map(is_away).collect();
        away.sort_unstable();
        assert!(self.away.keys().eq(&away));
        assert!(self.away.len() <= SESSIONS_AWAY);
        self.away.iter().map(|(&(_, number), name)| (number, name.clone())).collect()
    }
}

fn is_over(now: Duration, since: Duration) -> bool {
    now.saturating_sub(since) >= SESSION_KEPT
}
