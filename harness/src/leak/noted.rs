//! An application that is known by its requests while it works.
//!
//! **Invariant:** requests, answers and their bodies pass as they are.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, Request, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::tasks::Notes;

/// Notes the request that is being handled whenever a task comes up. What the body of an answer spawns
/// while it is sent is not noted.
#[derive(Clone, Debug)]
pub(crate) struct Noted<A> {
    app: A,
    notes: Notes,
}

impl<A> Noted<A> {
    pub(super) const fn new(app: A, notes: Notes) -> Self {
        Self { app, notes }
    }
}

impl<A: Service<Request<B>>, B> Service<Request<B>> for Noted<A> {
    type Response = A::Response;
    type Error = A::Error;
    type Future = Handling<A::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        self.app.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Handling<A::Future> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let app = &mut self.app;
        let answer = self
            .notes
            .during(|| name(&method, &uri), || app.call(request));
        Handling {
            answer,
            notes: self.notes.clone(),
            method,
            uri,
        }
    }
}

pin_project! {
    /// An answer on its way.
    #[derive(Debug)]
    pub(crate) struct Handling<F> {
        #[pin]
        answer: F,
        notes: Notes,
        method: Method,
        uri: Uri,
    }
}

impl<F: Future> Future for Handling<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (method, uri) = (&*this.method, &*this.uri);
        this.notes
            .during(|| name(method, uri), || this.answer.poll(cx))
    }
}

/// A request as messages name it.
fn name(method: &Method, uri: &Uri) -> String {
    format!("{method} {} was being handled", uri.path())
}
