//! The plain half of the application: one tower service, told by the path what to do.
//!
//! **Invariant:** a path that is none of the scenario's is 404.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tower_service::Service;

use super::body::ScriptBody;
use super::handler::{Asked, Script};
use super::{Stage, websocket};
use crate::scenario::{ClientDoes, RequestId};

/// The plain half of the application.
#[derive(Clone)]
pub(super) struct Plain(Stage);

impl Plain {
    pub(super) const fn new(stage: Stage) -> Self {
        Self(stage)
    }
}

type Answer = Result<Response<ScriptBody>, Infallible>;

impl Service<Request<Incoming>> for Plain {
    type Response = Response<ScriptBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let stage = self.0.clone();
        Box::pin(async move { Ok(answer(stage, request).await) })
    }
}

async fn answer(stage: Stage, request: Request<Incoming>) -> Response<ScriptBody> {
    let Some(id) = RequestId::read(request.uri().path()) else {
        return not_found();
    };
    if request.headers().contains_key(UPGRADE) {
        return match stage.scenario.clients.get(usize::from(id.client)) {
            Some(client) if matches!(client.does, ClientDoes::Websocket { .. }) => {
                websocket::upgrade(&stage, id, request)
            }
            _ => not_found(),
        };
    }
    let Some(does) = stage.scenario.request(id) else {
        return not_found();
    };
    let script = Script::begin(stage, id, does);
    let streams = does.streams();
    let body = script.run(Asked::Plain(request.into_body())).await;
    let mut response = Response::new(body);
    if streams {
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

pub(super) fn not_found() -> Response<ScriptBody> {
    let mut response = Response::new(ScriptBody::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
