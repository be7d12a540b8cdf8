//! Reflection: a server that says which services it has, and what their messages are (floor 2).
//!
//! **Invariant:** descriptors are read once, at the start; what is none is refused there.
//! **Invariant:** a stream of questions never holds a drain: it ends when that begins, or with the answer
//! to a first question that was on its way.
//! **Invariant:** a stream of questions is no task of its own: it ends with its connection.

mod answers;
mod index;

use std::sync::Arc;

use http::{Request, Response};
use prost::Message;
use tonic::body::Body as TonicBody;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use super::health::descriptor_set;
use super::protocol::ProtocolError;
use super::question::Questions;
use super::service::Incoming;
use answers::Info;
use index::Index;

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
        let mut index = Index::default();
        self.add_to(&mut index)?;
        Ok(index.services().map(Into::into).collect())
    }

    fn add_to(&self, index: &mut Index) -> Result<(), ProtocolError> {
        let mut sets = self.sets.iter().enumerate();
        sets.try_for_each(|(number, set)| {
            let added = index.add(set);
            added.map_err(|reason| ProtocolError::Descriptors { number, reason })
        })
    }

    /// What answers; `health` if that is to be described too.
    pub(super) fn answering(&self, health: bool) -> Result<Answering, ProtocolError> {
        let mut index = Index::default();
        let own_health = health.then(|| descriptor_set().encode_to_vec());
        let own = [v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET];
        for set in own.into_iter().chain(own_health.as_deref()) {
            let added = index.add(set);
            debug_assert_eq!(added, Ok(()), "descriptors of our own");
        }
        self.add_to(&mut index)?;
        Ok(Answering(Arc::new(index)))
    }
}

/// Names, and room for nothing else.
const LONGEST_REQUEST: usize = 16 * 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReflectionMethod {
    Info,
    /// One that the service does not have.
    Unknown,
}

impl ReflectionMethod {
    /// The method that is asked for, in either version; `None` if it is of another service.
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/grpc.reflection.")?;
        let rest = rest
            .strip_prefix("v1.")
            .or_else(|| rest.strip_prefix("v1alpha."))?;
        Some(match rest.strip_prefix("ServerReflection/")? {
            "ServerReflectionInfo" => Self::Info,
            _ => Self::Unknown,
        })
    }
}

/// What answers the questions of reflection. A clone is the same.
#[derive(Clone)]
pub(super) struct Answering(Arc<Index>);

impl Answering {
    pub(super) async fn answer(
        &self,
        method: ReflectionMethod,
        request: Request<Questions<Incoming>>,
    ) -> Response<TonicBody> {
        match method {
            ReflectionMethod::Info => {
                Grpc::new(ProstCodec::default())
                    .max_decoding_message_size(LONGEST_REQUEST)
                    .streaming(Info(Arc::clone(&self.0)), request)
                    .await
            }
            ReflectionMethod::Unknown => tonic::Status::unimplemented("").into_http(),
        }
    }
}
