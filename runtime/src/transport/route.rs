//! Which routes the requests of a connection took, as log lines and reports may name them (floor 2).
//!
//! The path of a request is its peer's text and may hold secrets; the route that it matched is the
//! program's own. Only the router knows it, and only while it handles the request: it says so there, in the
//! middle of a poll, and everybody can read it at once. A handler that blocks its thread is named though
//! its poll never ends.
//!
//! **Invariant:** the first name counts, which is that of the outermost router.
//! **Invariant:** what matched nothing has no name.
//! **Invariant:** a connection whose requests are not named pays for no lock.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
#[cfg(feature = "axum")]
use std::task::{Context, Poll};

#[cfg(feature = "axum")]
use axum::extract::MatchedPath;
#[cfg(feature = "axum")]
use http::Request;
#[cfg(feature = "grpc")]
use http::uri::{PathAndQuery, Uri};
#[cfg(feature = "axum")]
use tower_layer::Layer;
#[cfg(feature = "axum")]
use tower_service::Service;

use super::account::lock;
use super::scope::current_account;

/// The route that a request took.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// What the application says.
    Named(Arc<str>),
    /// A template of axum's.
    #[cfg(feature = "axum")]
    Template(MatchedPath),
    /// A method of gRPC: the path is the name.
    #[cfg(feature = "grpc")]
    Method(PathAndQuery),
}

impl Route {
    fn name(&self) -> Arc<str> {
        match *self {
            Self::Named(ref name) => Arc::clone(name),
            #[cfg(feature = "axum")]
            Self::Template(ref template) => template.as_str().into(),
            #[cfg(feature = "grpc")]
            Self::Method(ref path) => path.path().into(),
        }
    }
}

/// The routes of one connection's requests, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Whether there has been one.
    named: AtomicBool,
    known: Mutex<BTreeMap<u64, Route>>,
}

impl Routes {
    /// The request of this number took this route.
    pub(super) fn name(&self, number: u64, route: Route) {
        self.named.store(true, Ordering::Release);
        lock(&self.known).entry(number).or_insert(route);
    }

    /// The name of the route that this request took, if that is known.
    #[inline]
    pub(super) fn of(&self, number: u64) -> Option<Arc<str>> {
        if !self.named.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.known).get(&number).map(Route::name)
    }

    /// Nobody will ask for the requests before this one any more.
    pub(super) fn forget_before(&self, number: u64) {
        lock(&self.known).retain(|other, _| *other >= number);
    }

    /// Nobody will ask for this request any more.
    #[inline]
    pub(super) fn forget(&self, number: u64) {
        if self.named.load(Ordering::Acquire) {
            lock(&self.known).remove(&number);
        }
    }
}

thread_local! {
    /// The number of the request that is polled; 0 while none is.
    static POLLED: Cell<u64> = const { Cell::new(0) };
}

/// Polls what the application makes of the request of this number.
#[inline]
pub(super) fn polling<T>(number: u64, poll: impl FnOnce() -> T) -> T {
    let outer = POLLED.replace(number);
    let polled = poll();
    POLLED.set(outer);
    polled
}

/// Names the route of the request that is polled, unless that is known. A router that no server polls, in
/// a test say, names nothing.
fn name(route: Route) {
    let number = POLLED.get();
    if number > 0 {
        current_account(|account| account.takes(number, route));
    }
}

/// Names the method of a call that tonic has.
///
/// tonic answers one that it has not at once, and nothing of that is ever named.
#[cfg(feature = "grpc")]
#[inline]
pub(super) fn name_call(uri: &Uri) {
    if let Some(path) = uri.path_and_query() {
        name(Route::Method(path.clone()));
    }
}

/// Names the route of the request that calls this, for log lines and reports; the first name counts.
///
/// For applications that are no axum `Router`, which has [`NamedRoutes`]. It is to be called while the
/// request is polled, by the service or by what that awaits until its answer is there; in a task of its
/// own, in an answer's body, or where no server polls, it does nothing. The name has to be the program's
/// own, such as `/users/{id}`: never the path, which is the client's text.
///
/// ```
/// use lamplighter::name_route;
///
/// async fn user(id: &str) -> String {
///     name_route("/users/{id}");
///     format!("Hello, {id}!")
/// }
/// ```
pub fn name_route(route: impl Into<Arc<str>>) {
    name(Route::Named(route.into()));
}

/// A layer for an axum `Router` by which log lines and reports name a request's route.
///
/// ```
/// use axum::{Router, routing::get};
/// use lamplighter::{NamedRoutes, Server};
///
/// let app = Router::new()
///     .route("/users/{id}", get(|| async { "Hello, World!" }))
///     .layer(NamedRoutes);
/// let server = Server::new(app);
/// ```
///
/// A request that was cut is then told of as one of `GET /users/{id}`, in the report and in the log, and
/// so is one whose handler panicked. Never with its path: that is the client's text. Without the layer
/// nobody outside of the router knows the route, and the method alone is named. The calls of the gRPC half
/// of an [`App`](super::App) need no layer.
///
/// It is for the routes that were added before it, costs what a layer on an axum `Router` costs, and
/// needs axum 0.8.
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedRoutes;

#[cfg(feature = "axum")]
impl<S> Layer<S> for NamedRoutes {
    type Service = NamedRoute<S>;

    fn layer(&self, inner: S) -> NamedRoute<S> {
        NamedRoute { inner }
    }
}

/// A service within [`NamedRoutes`].
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug)]
pub struct NamedRoute<S> {
    inner: S,
}

#[cfg(feature = "axum")]
impl<S, B> Service<Request<B>> for NamedRoute<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(template) = request.extensions().get::<MatchedPath>() {
            name(Route::Template(template.clone()));
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Route {
        Route::Named(name.into())
    }

    #[test]
    fn the_first_name_of_a_request_counts() {
        let routes = Routes::default();
        assert_eq!(routes.of(1), None);
        routes.name(1, named("/outer/{id}"));
        routes.name(1, named("/inner"));
        assert_eq!(routes.of(1).as_deref(), Some("/outer/{id}"));
        assert_eq!(routes.of(2), None);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let routes = Routes::default();
        for number in 1..=4 {
            routes.name(number, named(&number.to_string()));
        }
        routes.forget(2);
        routes.forget(5);
        routes.forget_before(3);
        let left = (1..=5).filter_map(|number| routes.of(number));
        assert_eq!(left.collect::<Vec<_>>(), ["3".into(), "4".into()]);
    }

    #[test]
    fn what_is_polled_by_nobody_has_no_number_and_the_outer_one_is_back_behind_an_inner_one() {
        name_route("nobody's");
        assert_eq!(POLLED.get(), 0);
        polling(3, || {
            polling(5, || assert_eq!(POLLED.get(), 5));
            assert_eq!(POLLED.get(), 3);
        });
        assert_eq!(POLLED.get(), 0);
    }
}
