//! The one request of a life, and what is kept open until its server is gone.
//!
//! **Invariant:** the same client for every server that is compared.

use std::net::SocketAddr;

use greeter::v1::SayHelloRequest;
use greeter::v1::greeter_client::GreeterClient;
use lamplighter_harness::Probe;
use tonic::transport::{Channel, Endpoint};

/// A request over HTTP/1.1 and its whole answer; gives the connection.
pub(crate) async fn plainly(addr: SocketAddr) -> Probe {
    let mut probe = Probe::connect(addr).await.expect("a connection");
    probe.request("/").await.expect("a request");
    assert_eq!(probe.answer().await.text(), "hello");
    probe
}

/// A call and its whole answer; gives its client.
pub(crate) async fn by_grpc(addr: SocketAddr) -> GreeterClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = GreeterClient::new(channel);
    let request = SayHelloRequest {
        name: String::from("World"),
    };
    let answer = client.say_hello(request).await.expect("an answer");
    assert_eq!(answer.into_inner().message, "Hello, World!");
    client
}
