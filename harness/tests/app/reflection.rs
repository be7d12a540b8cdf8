//! Reflection: what a server says of its own services, in both versions of the protocol.

use futures_util::stream;
use lamplighter::{Healthcheck, Phase, Plan, Reflection, Server, StartReason};
use lamplighter_harness::{Gate, TestServer, within};
use prost::Message;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use super::{app, channel, ends_well, secs};

fn reflecting() -> Server {
    Server::new(app(&Gate::new()))
        .listen("127.0.0.1:0")
        .protocol(Healthcheck::new())
        .protocol(Reflection::new([greeter::DESCRIPTORS]))
}

const LISTED: [&str; 4] = [
    "greeter.v1.Greeter",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

async fn ask(
    channel: Channel,
    question: v1::server_reflection_request::MessageRequest,
) -> v1::server_reflection_response::MessageResponse {
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let asked = client.server_reflection_info(stream::iter([request]));
    let mut answers = within("an answer", asked).await.unwrap().into_inner();
    let answer = within("a message", answers.message()).await.unwrap();
    answer.unwrap().message_response.unwrap()
}

/// The names of the messages and services in the file that describes `symbol`.
async fn described(channel: Channel, symbol: &str) -> prost_types::FileDescriptorProto {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let question = MessageRequest::FileContainingSymbol(symbol.into());
    let answer = ask(channel, question).await;
    if let MessageResponse::FileDescriptorResponse(files) = answer {
        let file = files.file_descriptor_proto.first().unwrap();
        prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap()
    } else {
        prost_types::FileDescriptorProto::default()
    }
}

#[tokio::test]
async fn v1_lists_the_services_health_and_itself() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let server = TestServer::start(reflecting()).await;
    let question = MessageRequest::ListServices(String::new());
    let answer = ask(channel(&server).await, question).await;
    let MessageResponse::ListServicesResponse(list) = answer else {
        unreachable!("{answer:?}")
    };
    let mut names: Vec<String> = list.service.into_iter().map(|it| it.name).collect();
    names.sort();
    assert_eq!(names, LISTED);
    ends_well(server).await;
}

#[tokio::test]
async fn v1alpha_lists_the_same() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let server = TestServer::start(reflecting()).await;
    let channel = channel(&server).await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = client.server_reflection_info(stream::iter([request]));
    let mut answers = within("an answer", asked).await.unwrap().into_inner();
    let answer = within("a message", answers.message()).await.unwrap();
    let answer = answer.unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        unreachable!("{answer:?}")
    };
    let mut names: Vec<String> = list.service.into_iter().map(|it| it.name).collect();
    names.sort();
    assert_eq!(names, LISTED);
    ends_well(server).await;
}

#[tokio::test]
async fn it_describes_the_services_of_the_user_and_health() {
    let server = TestServer::start(reflecting()).await;
    let channel = channel(&server).await;
    let greeter = described(channel.clone(), "greeter.v1.Greeter").await;
    assert_eq!(greeter.name(), "greeter/v1/greeter.proto");
    let health = described(channel.clone(), "grpc.health.v1.Health").await;
    let service = health.service.first().unwrap();
    let methods: Vec<&str> = service.method.iter().map(|it| it.name()).collect();
    assert_eq!(methods, ["Check", "List", "Watch"]);
    let symbol = "grpc.health.v1.HealthCheckResponse.ServingStatus";
    assert_eq!(described(channel, symbol).await.name(), health.name());
    ends_well(server).await;
}

#[tokio::test]
async fn what_it_describes_is_known_to_health_and_gates_nothing() {
    let server = TestServer::start(reflecting()).await;
    let mut client = HealthClient::new(channel(&server).await);
    let service = "greeter.v1.Greeter".to_owned();
    let known = client.check(HealthCheckRequest { service }).await;
    assert_eq!(known.unwrap().into_inner().status, 1);
    let service = String::new();
    let all = client.check(HealthCheckRequest { service }).await;
    assert_eq!(all.unwrap().into_inner().status, 1);
    ends_well(server).await;
}

#[tokio::test]
async fn an_open_question_holds_no_drain() {
    let server = TestServer::start(reflecting()).await;
    let channel = channel(&server).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let asked = client.server_reflection_info(stream::pending());
    let mut answers = within("a head", asked).await.unwrap().into_inner();
    assert_eq!(server.handle().in_flight(), 1);
    let stop = tokio::spawn(server.stop());
    assert!(
        within("the end", answers.message())
            .await
            .unwrap()
            .is_none()
    );
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn it_answers_in_the_lame_duck() {
    let server = TestServer::start(reflecting().plan(Plan::new().lame_duck(secs(3600)))).await;
    drop(server.running().stop());
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    let greeter = described(channel(&server).await, "greeter.v1.Greeter").await;
    assert_eq!(greeter.name(), "greeter/v1/greeter.proto");
    drop(server.handle().force());
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn descriptors_that_are_none_are_refused_with_their_place() {
    let reflection = Reflection::new([greeter::DESCRIPTORS, b"no descriptors at all"]);
    let server = Server::new(app(&Gate::new())).protocol(reflection);
    let refused = server.check().unwrap_err();
    assert!(matches!(refused, StartReason::Protocol(_)), "{refused:?}");
    assert!(
        refused.to_string().contains("descriptor set 1"),
        "{refused}"
    );
}
