//! What a request is for: a path and a method.

use http::Method;
use trappe_core::name::Name;

use super::head::Head;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`
    Root,
    /// `/page/{file}`: what the page at `/` is made of.
    Page(String),
    /// `/page/words/{file}`: its sentences.
    Words(String),
    /// `/ws`
    WebSocket,
    /// `/echo`, where it is served.
    Echo,
    /// `/rooms/{room}/messages`
    Messages(Name),
    /// `/rooms/{room}/events`
    Events(Name),
    /// `/live`: the hub as it lives.
    Live,
    /// `/tap`: the wire of its members.
    Tap,
    /// `/metrics`
    Metrics,
    /// `/healthz`
    Healthy,
    /// `/readyz`
    Ready,
    /// `/connect`, or one file of it.
    Connect(Option<String>),
    /// `OPTIONS *`
    Hub,
}

/// Why there is no such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unrouted {
    /// Nothing has that path.
    NotFound,
    /// It would be a room, but its name is none.
    BadRoom,
    /// What has that path takes other methods.
    Method(&'static str),
}

impl Route {
    /// The route of a request, if its method is one that the route takes. `echo`: there is that route too.
    pub(super) fn of(head: &Head, echo: bool) -> Result<Route, Unrouted> {
        let room = |name: &str| Name::parse(name).map_err(|_| Unrouted::BadRoom);
        let route = match head.target.route()[..] {
            [] if head.method == Method::OPTIONS => Route::Hub,
            [""] => Route::Root,
            ["page", file] => Route::Page(file.to_owned()),
            ["page", "words", file] => Route::Words(file.to_owned()),
            ["ws"] => Route::WebSocket,
            ["echo"] if echo => Route::Echo,
            ["rooms", name, "messages"] => Route::Messages(room(name)?),
            ["rooms", name, "events"] => Route::Events(room(name)?),
            ["live"] => Route::Live,
            ["tap"] => Route::Tap,
            ["metrics"] => Route::Metrics,
            ["healthz"] => Route::Healthy,
            ["readyz"] => Route::Ready,
            ["connect"] => Route::Connect(None),
            ["connect", file] => Route::Connect(Some(file.to_owned())),
            _ => return Err(Unrouted::NotFound),
        };
        let allowed = route.allowed();
        let taken = allowed.split(", ").any(|method| method == head.method.as_str());
        if taken { Ok(route) } else { Err(Unrouted::Method(allowed)) }
    }

    /// The methods that it takes, as the field `Allow` lists them.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Route::Messages(_) => "GET, HEAD, POST, OPTIONS",
            Route::Hub => "OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// It tells about the hub, and so by default nobody elsewhere.
    pub(super) fn is_private(&self) -> bool {
        matches!(self, Route::Live | Route::Tap | Route::Metrics | Route::Healthy | Route::Ready)
    }
}

/// Whether it asks for the thing itself.
pub(super) fn is_get(head: &Head) -> bool {
    head.method == Method::GET
}
