//! Services that depend on others, on hosts of their own.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use lamplighter::{Server, Signal};
use lamplighter_sim::{BoxError, Host, RunEnd, Visit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{ms, path, seen, simulation, slow};

/// Asks the database for each answer.
async fn depends(host: &Host) -> Result<Server, BoxError> {
    assert_eq!(host.name(), "service");
    let ask = async |State(host): State<Host>| match ask(&host).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::BAD_GATEWAY,
    };
    let router = Router::new().route("/slow", get(ask));
    Ok(Server::new(router.with_state(host.clone())).listen(5432))
}

async fn ask(host: &Host) -> std::io::Result<()> {
    let mut line = host.dial("database").await?;
    let request = b"GET /slow HTTP/1.1\r\nhost: database\r\nconnection: close\r\n\r\n";
    line.write_all(request).await?;
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await?;
    host.note("bytes from the database", answer.len() as u64);
    Ok(())
}

#[test]
fn what_a_service_depends_on_is_there_before_it_and_after_it() {
    for simulation in [simulation(), simulation().in_turmoil()] {
        let run = simulation
            .host("database", slow)
            .client_at(ms(10), "guest")
            .signal_at(ms(30), Signal::Sigterm)
            .run(depends)
            .unwrap();
        assert_eq!(run.end, RunEnd::Done, "{}", run.text());
        assert_eq!(seen(&run, "client#0").last().unwrap(), "got 200");
        let place = |who: &str, what: &str| {
            let mut entries = run.trace.iter();
            entries
                .position(|it| it.who.to_string() == who && it.what.to_string() == what)
                .unwrap_or_else(|| panic!("{who} {what} in\n{}", run.text()))
        };
        assert!(place("host#1", "ready") < place("server", "ready"));
        assert!(place("server", "stop") < place("host#1", "stop"));
        assert!(place("host#1", "asked 1") < place("client#0", "got 200"));
        // What is said of the service is said of it alone.
        assert!(!run.lifecycle().contains("host#1"));
        assert_eq!(run.report.unwrap().connections().accepted, 1);
    }
}

#[test]
fn a_host_that_is_not_there_is_named_with_those_that_are() {
    let failure = simulation()
        .visitor("lost", |visit: Visit| async move {
            let error = visit.connect_to("databas").await.unwrap_err();
            std::panic::resume_unwind(Box::new(error.to_string()));
        })
        .client_at(ms(0), "lost")
        .run(slow)
        .unwrap_err();
    assert_eq!(
        failure.violation.what,
        "lost: no host is called `databas`; there are: service"
    );
}

#[test]
fn a_service_that_cannot_be_made_fails_the_case_with_its_own_words() {
    async fn broken(_: &Host) -> Result<Server, BoxError> {
        Err("no configuration".into())
    }
    for simulation in [simulation(), simulation().in_turmoil()] {
        let failure = simulation.run(broken).unwrap_err();
        assert_eq!(failure.violation.law, "the service is made");
        assert_eq!(failure.violation.what, "no configuration");
        let failure = simulation
            .host("database", broken)
            .run(depends)
            .unwrap_err();
        assert_eq!(failure.violation.what, "no configuration");
    }
}

#[test]
fn visitors_reach_every_host() {
    let run = simulation()
        .host("database", slow)
        .visitor("both", |visit: Visit| async move {
            let there = visit.connect_to("database").await;
            visit.note("there", u64::from(there.is_ok()));
            let answer = visit.ask(path("/slow")).await;
            visit.note("here", u64::from(answer.is_ok()));
        })
        .client_at(ms(0), "both")
        .signal_at(ms(300), Signal::Sigterm)
        .run(depends)
        .unwrap();
    let client = seen(&run, "client#0");
    assert!(client.contains(&"there 1".to_owned()), "{client:?}");
    assert!(client.contains(&"here 1".to_owned()), "{client:?}");
}

#[test]
fn a_service_is_reached_wherever_it_listens() {
    async fn at_home(host: &Host) -> Result<Server, BoxError> {
        Ok(slow(host).await?.listen("127.0.0.1:8080"))
    }
    let simulation = simulation().client_at(ms(1), "guest");
    for simulation in [simulation.clone(), simulation.in_turmoil()] {
        let run = simulation.signal_at(ms(10), Signal::Sigterm).run(at_home);
        let got = seen(&run.unwrap(), "client#0");
        assert!(got.contains(&"got 200".to_owned()), "{got:?}");
    }
}
