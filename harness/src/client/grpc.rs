//! tonic's own client, bound to a server.
//!
//! **Invariant:** nothing is added to it but where it connects, and how long that may take.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use super::door::{BoxStream, Door};
use super::error::ClientFailure;
use super::{BoxError, Clock};

/// A channel that connects with its first call.
pub(crate) fn channel(door: Door, clock: Clock) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{}", door.authority()))?;
    Ok(endpoint.connect_with_connector_lazy(Connector { door, clock }))
}

struct Connector {
    door: Door,
    clock: Clock,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<BoxStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<BoxStream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (door, clock) = (self.door.clone(), self.clock);
        Box::pin(async move {
            let open = async { door.open().await.map_err(ClientFailure::Connect) };
            match clock.bound(open).await {
                Ok(stream) => Ok(TokioIo::new(stream)),
                Err(failure) => Err(io::Error::other(format!("{door}: {failure}")).into()),
            }
        })
    }
}
