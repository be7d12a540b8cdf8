//! gRPC clients: tonic's, which connects again when its connection is gone.
//!
//! The end of a connection is told when it is read, by a task of tonic's: of one instant, before what
//! becomes of its calls.
//!
//! **Invariant:** a status that the server sent is an answer; one that tonic made up is none.

use std::error::Error;
use std::fmt;

use futures_util::future::join_all;
use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use lamplighter::ServingStatus;
use tokio::time::sleep;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus as Said;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use super::dialled;
use super::eyes::Eyes;
use super::http2::why;
use super::nursery::Nursery;
use super::tap::{EndIsTold, Ending, Tap};
use crate::host::Dial;
use crate::scenario::{Request, RequestId, millis};
use crate::service::{CALL, Chunk, STREAM};
use crate::trace::{Break, ClientSaw};

/// Calls each method at its time, and goes away when all calls are settled.
pub(super) async fn calls<D: Dial>(eyes: &Eyes, dial: &D, calls: &[Request]) {
    let Some(line) = Line::connected(eyes, dial).await else {
        return;
    };
    let mut after_ms = 0;
    join_all((0..).zip(calls).map(|(number, call)| {
        after_ms += call.gap_ms;
        line.called(number, *call, after_ms)
    }))
    .await;
    line.closed().await;
}

/// Watches the server's health until the watch ends.
pub(super) async fn watches<D: Dial>(eyes: &Eyes, dial: &D) {
    let Some(line) = Line::connected(eyes, dial).await else {
        return;
    };
    eyes.saw(ClientSaw::Asked(0));
    let watched = line.watched().await;
    line.settled(0, 0, watched);
    line.closed().await;
}

/// A channel of tonic's, with the tasks that it lives by.
struct Line {
    eyes: Eyes,
    channel: Channel,
    ending: Ending,
    nursery: Nursery,
}

impl Line {
    /// `None`, once that was seen, if there is no connection to be had.
    async fn connected<D: Dial>(eyes: &Eyes, dial: &D) -> Option<Self> {
        let (ending, nursery) = (Ending::default(), Nursery::default());
        let connector = {
            let (eyes, dial, ending) = (eyes.clone(), dial.clone(), ending.clone());
            tower::service_fn(move |_: Uri| {
                let (eyes, dial, ending) = (eyes.clone(), dial.clone(), ending.clone());
                async move {
                    let io = dialled(&eyes, &dial).await.ok_or(NoConnection)?;
                    Ok::<_, NoConnection>(TokioIo::new(Tap::new(
                        io,
                        &eyes,
                        &ending,
                        EndIsTold::AtOnce,
                    )))
                }
            })
        };
        let endpoint = Endpoint::from_static("http://sim").executor(nursery.spawner());
        let channel = endpoint.connect_with_connector(connector).await.ok()?;
        Some(Self {
            eyes: eyes.clone(),
            channel,
            ending,
            nursery,
        })
    }

    /// Lets the connection go, and waits until it has ended.
    async fn closed(self) {
        drop(self.channel);
        self.nursery.ended().await;
    }

    async fn called(&self, number: u16, call: Request, after_ms: u32) {
        if after_ms > 0 {
            sleep(millis(after_ms)).await;
        }
        self.eyes.saw(ClientSaw::Asked(number));
        let mut bytes = 0;
        let ended = if call.streams() {
            self.streamed(number, call, &mut bytes).await
        } else {
            self.answered(number, call, &mut bytes).await
        };
        self.settled(number, bytes, ended);
    }

    async fn answered(&self, number: u16, call: Request, bytes: &mut u64) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(unready)?;
        let answer = grpc
            .unary(
                self.asks(number, call),
                PathAndQuery::from_static(CALL),
                ProstCodec::<Chunk, Chunk>::default(),
            )
            .await?;
        *bytes = answer.into_inner().data.len() as u64;
        Ok(())
    }

    async fn streamed(&self, number: u16, call: Request, bytes: &mut u64) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(unready)?;
        let answer = grpc
            .server_streaming(
                self.asks(number, call),
                PathAndQuery::from_static(STREAM),
                ProstCodec::<Chunk, Chunk>::default(),
            )
            .await?;
        self.eyes.saw(ClientSaw::Head {
            request: number,
            status: 200,
        });
        let mut messages: Streaming<Chunk> = answer.into_inner();
        while let Some(Chunk { data }) = messages.message().await? {
            *bytes += data.len() as u64;
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.eyes.saw(ClientSaw::Message(length));
        }
        Ok(())
    }

    async fn watched(&self) -> Result<(), Status> {
        let mut health = HealthClient::new(self.channel.clone());
        let everything = HealthCheckRequest::default();
        let mut statuses = health.watch(everything).await?.into_inner();
        while let Some(said) = statuses.message().await? {
            self.eyes.saw(ClientSaw::Health(match said.status() {
                Said::Serving => ServingStatus::Serving,
                Said::Unknown | Said::NotServing | Said::ServiceUnknown => {
                    ServingStatus::NotServing
                }
            }));
        }
        Ok(())
    }

    fn asks(&self, number: u16, call: Request) -> tonic::Request<Chunk> {
        let id = RequestId {
            client: self.eyes.client(),
            request: number,
        };
        let data = vec![b'x'; call.send_bytes as usize].into();
        let mut request = tonic::Request::new(Chunk { data });
        if let Ok(id) = MetadataValue::try_from(id.to_string()) {
            request.metadata_mut().insert(RequestId::HEADER, id);
        }
        request
    }

    /// Writes down what became of a call.
    fn settled(&self, request: u16, bytes: u64, ended: Result<(), Status>) {
        let (code, error) = match &ended {
            Ok(()) => (Code::Ok, None),
            Err(status) => (status.code(), status.source()),
        };
        self.eyes.saw(match error {
            None => ClientSaw::Answered {
                request,
                status: 200,
                grpc: u8::try_from(i32::from(code)).ok(),
                bytes,
            },
            Some(error) => ClientSaw::Lost {
                request,
                why: self.why(error),
                bytes,
            },
        });
    }

    /// What stands behind an error that tonic made a status of.
    fn why(&self, error: &(dyn Error + 'static)) -> Break {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<NoConnection>() {
                return Break::Unsent;
            }
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return why(error, &self.ending);
            }
            // Given back before it was sent.
            let canceled = error.downcast_ref::<hyper::Error>();
            if canceled.is_some_and(hyper::Error::is_canceled) {
                return Break::Unsent;
            }
            cause = error.source();
        }
        Break::Broken
    }
}

/// There was no connection to be had.
#[derive(Clone, Copy, Debug)]
struct NoConnection;

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no connection to be had")
    }
}

impl Error for NoConnection {}

fn unready(error: tonic::transport::Error) -> Status {
    Status::from_error(error.into())
}
