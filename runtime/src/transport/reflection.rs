//! Reflection: a server that says which services it has, and what their messages are (floor 2).
//!
//! **Invariant:** descriptors are read once, at the start; what is none is refused there.
//! **Invariant:** an open question never holds a drain: its stream ends when that begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{Request, Response};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::body::Body as TonicBody;
use tonic_reflection::server::Builder;
use tower_service::Service;

use super::grpc::UntilDraining;
use super::health::descriptor_set;
use super::protocol::ProtocolError;
use super::service::Incoming;

/// gRPC's server reflection, v1 and v1alpha: which services a server has, and what their messages
/// are. With it, clients such as `grpcurl` and `buf curl` need no proto file.
///
/// It describes what is in the descriptor sets, and beside that health, where the server has it, and
/// itself. The services of the sets become known to the server's health as well.
#[derive(Clone, Debug)]
pub struct Reflection {
    sets: Vec<Vec<u8>>,
}

impl Reflection {
    /// Reflection of what these descriptor sets describe: `FileDescriptorSet`s in protobuf's
    /// encoding, with all that they import, such as a build script writes beside the code that it
    /// generates. One that is none is refused by the start.
    pub fn new<D: AsRef<[u8]>>(descriptor_sets: impl IntoIterator<Item = D>) -> Self {
        Self {
            sets: descriptor_sets
                .into_iter()
                .map(|set| set.as_ref().to_vec())
                .collect(),
        }
    }

    /// The full names of all services in the sets.
    pub(super) fn service_names(&self) -> Result<Vec<String>, ProtocolError> {
        let mut names = BTreeSet::new();
        for (number, set) in self.sets.iter().enumerate() {
            let set = FileDescriptorSet::decode(set.as_slice()).map_err(|error| {
                ProtocolError::Descriptors {
                    number,
                    reason: error.to_string(),
                }
            })?;
            for file in set.file {
                let package = file.package.clone().unwrap_or_default();
                for service in file.service {
                    let name = service.name.unwrap_or_default();
                    names.insert(if package.is_empty() {
                        name
                    } else {
                        format!("{package}.{name}")
                    });
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The services that answer; `health` if that is to be described too.
    pub(super) fn services(&self, health: bool) -> Result<Services, ProtocolError> {
        // So that the number of the one that is none is known.
        self.service_names()?;
        let builder = || {
            let mut builder = Builder::configure()
                .include_reflection_service(false)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(
                    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
                );
            if health {
                builder = builder.register_file_descriptor_set(descriptor_set());
            }
            for set in &self.sets {
                builder = builder.register_encoded_file_descriptor_set(set);
            }
            builder
        };
        let refused = |error: tonic_reflection::server::Error| ProtocolError::Descriptors {
            number: 0,
            reason: error.to_string(),
        };
        let v1 = builder().build_v1().map_err(refused)?;
        let v1alpha = builder().build_v1alpha().map_err(refused)?;
        Ok(Services {
            v1: serving(v1.max_decoding_message_size(LONGEST_REQUEST)),
            v1alpha: serving(v1alpha.max_decoding_message_size(LONGEST_REQUEST)),
        })
    }
}

/// Names, and room for nothing else.
const LONGEST_REQUEST: usize = 16 * 1024;

/// Which of the two protocols is spoken; they differ in their names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V1Alpha,
}

impl Version {
    /// The version that is asked for; `None` if it is another service.
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/grpc.reflection.")?;
        if rest.starts_with("v1.ServerReflection/") {
            Some(Self::V1)
        } else if rest.starts_with("v1alpha.ServerReflection/") {
            Some(Self::V1Alpha)
        } else {
            None
        }
    }
}

type Question = Request<UntilDraining<Incoming>>;
type Answering = std::pin::Pin<Box<dyn Future<Output = Response<TonicBody>> + Send>>;
type Serving = Arc<dyn Fn(Question) -> Answering + Send + Sync>;

/// The services of both versions.
#[derive(Clone)]
pub(super) struct Services {
    v1: Serving,
    v1alpha: Serving,
}

impl Services {
    pub(super) async fn answer(&self, version: Version, request: Question) -> Response<TonicBody> {
        match version {
            Version::V1 => (self.v1)(request).await,
            Version::V1Alpha => (self.v1alpha)(request).await,
        }
    }
}

fn serving<S>(service: S) -> Serving
where
    S: Service<Question, Response = Response<TonicBody>, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    Arc::new(move |request| {
        // Generated services are always ready.
        let answer = service.clone().call(request);
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        })
    })
}
