//! The answer to each question of reflection (floor 2).
//!
//! **Invariant:** a question that has no answer is answered with an error of its own, and the next one is
//! heard; only what is no question ends the stream, with a status that says so.
//! **Invariant:** nothing of it outlives its stream, and no question is read before the last one's answer
//! is taken.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;
use tonic::server::StreamingService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Question;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answer;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

use super::index::Index;

/// The one method of reflection. The messages of both versions of the protocol are the same.
pub(super) struct Info(pub(super) Arc<Index>);

type Item = Result<ServerReflectionResponse, Status>;

impl StreamingService<ServerReflectionRequest> for Info {
    type Response = ServerReflectionResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Item> + Send>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<ServerReflectionRequest>>) -> Self::Future {
        let asked = (request.into_inner(), Arc::clone(&self.0));
        let answers = stream::try_unfold(asked, async |(mut questions, index)| {
            let question = questions.message().await?;
            Ok(question.map(|question| (answer(&index, question), (questions, index))))
        });
        ready(Ok(Response::new(Box::pin(answers))))
    }
}

fn answer(index: &Index, asked: ServerReflectionRequest) -> ServerReflectionResponse {
    let file = |found: Option<&Bytes>, what| match found {
        Some(file) => Answer::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.to_vec()],
        }),
        None => error(Code::NotFound, what),
    };
    let answer = match &asked.message_request {
        None => error(Code::InvalidArgument, "no question"),
        Some(Question::FileByFilename(name)) => file(index.file(name), "unknown file"),
        Some(Question::FileContainingSymbol(symbol)) => {
            file(index.file_of(symbol), "unknown symbol")
        }
        Some(Question::FileContainingExtension(extension)) => {
            let (message, number) = (&extension.containing_type, extension.extension_number);
            file(index.file_extending(message, number), "unknown extension")
        }
        Some(Question::AllExtensionNumbersOfType(message)) => match index.extensions_of(message) {
            Some(extension_number) => {
                Answer::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: message.clone(),
                    extension_number,
                })
            }
            None => error(Code::NotFound, "unknown message"),
        },
        Some(Question::ListServices(_)) => {
            let service = |name: &str| ServiceResponse { name: name.into() };
            Answer::ListServicesResponse(ListServiceResponse {
                service: index.services().map(service).collect(),
            })
        }
    };
    ServerReflectionResponse {
        valid_host: asked.host.clone(),
        original_request: Some(asked),
        message_response: Some(answer),
    }
}

fn error(code: Code, message: &str) -> Answer {
    Answer::ErrorResponse(ErrorResponse {
        error_code: code.into(),
        error_message: message.into(),
    })
}
