//! Reflection: what a server says of its own services, in both versions of the protocol.

use futures_util::{StreamExt, stream};
use lamplighter::{Healthcheck, Phase, Plan, Reflection, Server, StartReason};
use lamplighter_harness::{Gate, Manners, Probe, Seen, TestServer, within};
use prost::Message;
use tokio::runtime::Handle;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use super::{app, ends_well, secs};

fn reflecting() -> Server {
    Server::new(app(&Gate::new()))
        .listen("127.0.0.1:0")
        .protocol(Healthcheck::new())
        .protocol(Reflection::new([greeter::DESCRIPTORS]))
}

fn which_services() -> v1::ServerReflectionRequest {
    use v1::server_reflection_request::MessageRequest;
    v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    }
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
    let answer = ask(server.grpc(), question).await;
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
    let channel = server.grpc();
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
    let channel = server.grpc();
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
    let mut client = HealthClient::new(server.grpc());
    let service = "greeter.v1.Greeter".to_owned();
    let known = client.check(HealthCheckRequest { service }).await;
    assert_eq!(known.unwrap().into_inner().status, 1);
    let service = String::new();
    let all = client.check(HealthCheckRequest { service }).await;
    assert_eq!(all.unwrap().into_inner().status, 1);
    ends_well(server).await;
}

/// The answers to several questions on one stream, and the status that it ends with.
async fn all_answers(
    server: &TestServer,
    questions: Vec<Option<v1::server_reflection_request::MessageRequest>>,
) -> (Vec<v1::server_reflection_response::MessageResponse>, Code) {
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.grpc());
    let requests = questions
        .into_iter()
        .map(|message_request| v1::ServerReflectionRequest {
            host: "probe".into(),
            message_request,
        });
    let requests: Vec<_> = requests.collect();
    let asked = client.server_reflection_info(stream::iter(requests));
    let mut messages = within("a head", asked).await.unwrap().into_inner();
    let mut answers = Vec::new();
    loop {
        match within("a message", messages.message()).await {
            Ok(Some(answer)) => {
                assert_eq!(answer.valid_host, "probe");
                assert!(answer.original_request.is_some());
                answers.push(answer.message_response.unwrap());
            }
            Ok(None) => return (answers, Code::Ok),
            Err(status) => return (answers, status.code()),
        }
    }
}

#[tokio::test]
async fn what_it_does_not_know_is_an_error_of_that_question_alone() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let server = TestServer::start(reflecting()).await;
    let extension = v1::ExtensionRequest {
        containing_type: "greeter.v1.SayHelloRequest".into(),
        extension_number: 7,
    };
    let unknown = [
        Some(MessageRequest::FileContainingSymbol("no.Such".into())),
        Some(MessageRequest::FileByFilename("no.proto".into())),
        Some(MessageRequest::FileContainingExtension(extension)),
        Some(MessageRequest::AllExtensionNumbersOfType("no.Such".into())),
        None,
    ];
    let known = "greeter.v1.SayHelloRequest".to_owned();
    let known = Some(MessageRequest::AllExtensionNumbersOfType(known));
    let list = Some(MessageRequest::ListServices(String::new()));
    let questions = unknown.into_iter().chain([known, list]).collect();
    let (answers, status) = all_answers(&server, questions).await;
    assert_eq!(status, Code::Ok);
    let codes = answers.iter().map(|answer| {
        if let MessageResponse::ErrorResponse(error) = answer {
            error.error_code
        } else {
            0
        }
    });
    let (not_found, invalid) = (5, 3);
    let expected = [not_found, not_found, not_found, not_found, invalid, 0, 0];
    assert_eq!(codes.collect::<Vec<i32>>(), expected, "{answers:?}");
    let MessageResponse::AllExtensionNumbersResponse(none) = answers.get(5).unwrap() else {
        unreachable!("{answers:?}")
    };
    assert!(none.extension_number.is_empty(), "{none:?}");
    ends_well(server).await;
}

/// A question whose text is a number.
#[derive(Clone, PartialEq, Message)]
struct NoQuestion {
    #[prost(uint64, tag = "7")]
    list_services: u64,
}

#[tokio::test]
async fn what_is_no_question_ends_the_stream_with_a_status_that_says_so() {
    let server = TestServer::start(reflecting()).await;
    for version in ["v1", "v1alpha"] {
        let path = |method| {
            let path = format!("/grpc.reflection.{version}.ServerReflection/{method}");
            PathAndQuery::try_from(path).unwrap()
        };
        let mut client = Grpc::new(server.grpc());
        client.ready().await.unwrap();
        let codec: ProstCodec<NoQuestion, v1::ServerReflectionResponse> = ProstCodec::default();
        let asked = tonic::Request::new(stream::iter([NoQuestion { list_services: 1 }]));
        let asked = client.streaming(asked, path("ServerReflectionInfo"), codec);
        let mut answers = within("a head", asked).await.unwrap().into_inner();
        let refused = within("the end", answers.message()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal, "{refused:?}");
        client.ready().await.unwrap();
        let codec: ProstCodec<(), ()> = ProstCodec::default();
        let asked = client.unary(tonic::Request::new(()), path("Nothing"), codec);
        let refused = within("an answer", asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    }
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
}

/// Opens a stream of questions frame by frame, with a first one or without.
async fn asks_by_hand(probe: &mut Probe, stream: u32, question: Option<&[u8]>) {
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        ("content-type", "application/grpc"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let (headers, end_headers) = (1, 4);
    let head = probe.send_frame(headers, end_headers, stream, &block);
    head.await.unwrap();
    if let Some(question) = question {
        probe.send_frame(0, 0, stream, question).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_hold_a_drain_for_1_s_and_no_longer() {
    let server = TestServer::here().start(reflecting()).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let (settings, no_window) = (4, [0, 4, 0, 0, 0, 0]);
    let sent = probe.send_frame(settings, 0, 0, &no_window);
    sent.await.unwrap();
    // Which services there are, three times.
    let list = b"\0\0\0\0\x03\x3a\x01*".repeat(3);
    asks_by_hand(&mut probe, 1, Some(&list)).await;
    let head = |seen: &Seen| matches!(seen, Seen::Headers { stream: 1, .. });
    probe.until("the head of the answers", head).await;
    let stop = tokio::spawn(server.stop());
    let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { last_stream: 1, .. });
    probe.until("the second GOAWAY", goaway).await;
    tokio::time::advance(secs(1)).await;
    assert!(probe.end().await.is_end());
    let stream = probe.stream(1);
    assert_eq!((stream.ended, stream.body.len()), (false, 0));
    let report = within("the stop", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let draining = report
        .phases()
        .iter()
        .find(|it| it.phase == Phase::Draining);
    assert_eq!(draining.unwrap().took, secs(1), "{}", report.timeline());
}

#[tokio::test]
async fn a_call_that_is_cut_before_its_question_has_come_is_named_by_its_method() {
    let server = TestServer::here().start(reflecting()).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    asks_by_hand(&mut probe, 1, None).await;
    let head = |seen: &Seen| matches!(seen, Seen::Headers { stream: 1, .. });
    probe.until("the head of the answers", head).await;
    drop(server.handle().force());
    let report = within("the stop", server.wait()).await;
    let cut = &report.connections().cut;
    let routes: Vec<_> = cut.iter().map(|cut| cut.work.template.as_deref()).collect();
    let method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(routes, [Some(method)], "{report}");
}

#[tokio::test]
async fn an_open_question_is_no_task_beside_its_stream() {
    let server = TestServer::here().start(reflecting()).await;
    let mut probe = server.probe().await;
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(stream).await.status, Some(200));
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let without = tasks();
    asks_by_hand(&mut probe, stream + 2, None).await;
    let head = |seen: &Seen| matches!(seen, Seen::Headers { .. });
    probe.until("the head of the answer", head).await;
    assert_eq!(tasks(), without + 1, "the task of its stream");
    drop(probe);
    ends_well(server).await;
}

#[tokio::test]
async fn an_open_question_holds_no_drain() {
    let server = TestServer::start(reflecting()).await;
    let channel = server.grpc();
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let questions = stream::iter([which_services()]).chain(stream::pending());
    let asked = client.server_reflection_info(questions);
    let mut answers = within("a head", asked).await.unwrap().into_inner();
    let first = within("an answer", answers.message()).await.unwrap();
    assert!(first.is_some());
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
async fn a_first_question_that_is_on_its_way_when_the_drain_begins_is_answered() {
    let server = TestServer::start(reflecting()).await;
    let channel = server.grpc();
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let gate = Gate::new();
    let on_its_way = gate.clone();
    let questions = stream::once(async move {
        on_its_way.pass().await;
        which_services()
    });
    let asked = client.server_reflection_info(questions);
    let mut answers = within("a head", asked).await.unwrap().into_inner();
    drop(server.running().stop());
    server.reached(Phase::Draining).await;
    gate.open();
    let answer = within("the answer", answers.message()).await.unwrap();
    assert!(answer.is_some());
    assert!(
        within("the end", answers.message())
            .await
            .unwrap()
            .is_none()
    );
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn it_answers_in_the_lame_duck() {
    let server = TestServer::start(reflecting().plan(Plan::new().lame_duck(secs(3600)))).await;
    drop(server.running().stop());
    assert_eq!(server.handle().phase(), Phase::LameDuck);
    let greeter = described(server.grpc(), "greeter.v1.Greeter").await;
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
