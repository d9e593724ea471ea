//! What is spoken on the hub's listeners (`--only`).

/// One thing that can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines, or another framing.
    Lines,
    /// HTTP requests and their answers, streams of events among them.
    Http,
    /// WebSocket.
    WebSocket,
}

/// The set of what is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only(pub Vec<Kind>);

impl Default for Only {
    fn default() -> Only {
        Only(vec![Kind::Lines, Kind::Http, Kind::WebSocket])
    }
}

impl Only {
    /// Whether it is spoken.
    pub(crate) fn speaks(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether a request line of HTTP is welcome.
    pub(crate) fn speaks_http(&self) -> bool {
        self.speaks(Kind::Http) || self.speaks(Kind::WebSocket)
    }
}
