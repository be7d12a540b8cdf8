//! What visitors see, and what becomes of a case in which one of them is not content.

use lamplighter::Signal;
use lamplighter_sim::{ActDoes, ClientDoes, RunEnd, Visit, scenario};

use crate::stage::{asks, ms, path, seen, simulation, slow};

#[test]
fn a_visitor_is_answered_by_a_service_that_is_told_to_stop_meanwhile() {
    for simulation in [simulation(), simulation().in_turmoil()] {
        let run = simulation
            .client_at(ms(10), "guest")
            .signal_at(ms(30), Signal::Sigterm)
            .run(slow)
            .unwrap();
        assert_eq!(run.end, RunEnd::Done, "{}", run.text());
        let client = [
            "dialled",
            "connected",
            "asked 0",
            "head of 0: 200",
            "answered 0: 200, 4 bytes",
            "got 200",
        ];
        assert_eq!(seen(&run, "client#0"), client, "{}", run.text());
        assert_eq!(seen(&run, "host#0"), ["asked 1"]);
        let report = run.report.unwrap();
        assert_eq!(report.connections().tally.answered, 1);
        assert_eq!(report.exit_code(), 0);
    }
}

#[test]
fn a_service_takes_the_signals_that_it_takes_in_production() {
    let run = simulation()
        .signal_at(ms(10), Signal::Sighup)
        .run(slow)
        .unwrap();
    assert_eq!(run.report.unwrap().total(), ms(0));
}

#[test]
fn a_conversation_is_one_connection() {
    let twice = async |visit: Visit| {
        let mut conversation = visit.open().await.unwrap();
        for _ in 0..2 {
            let answer = conversation.ask(path("/slow")).await.unwrap();
            assert_eq!(answer.body(), "done");
        }
        drop(conversation);
    };
    let run = scenario()
        .visitor("guest", move |visit| async move { twice(visit).await })
        .client_at(ms(0), "guest")
        .signal_at(ms(500), Signal::Sigterm)
        .run(slow)
        .unwrap();
    let report = run.report.unwrap();
    assert_eq!(report.connections().accepted, 1);
    assert_eq!(report.connections().tally.answered, 2);
}

#[test]
fn clients_that_misbehave_and_faults_befall_a_service_of_ones_own() {
    let run = simulation()
        .client_at(ms(0), ClientDoes::HalfHead)
        .client_at(ms(10), "guest")
        .act_at(ms(20), ActDoes::Hold { client: 1 })
        .signal_at(ms(30), Signal::Sigterm)
        .act_at(ms(3_000), ActDoes::Release { client: 1 })
        .run(slow)
        .unwrap();
    assert_eq!(seen(&run, "client#1").last().unwrap(), "got 200");
}

#[test]
fn a_visitor_that_panics_fails_the_case_and_is_named() {
    let failure = scenario()
        .visitor("guest", |visit: Visit| async move {
            asks(visit).await;
            std::panic::resume_unwind(Box::new("not what I came for"));
        })
        .client_at(ms(0), "guest")
        .run(slow)
        .unwrap_err();
    assert_eq!(failure.violation.law, "nobody panics");
    assert_eq!(failure.violation.what, "guest: not what I came for");
    let text = failure.to_string();
    assert!(text.contains("ClientDoes::Own {"), "{text}");
    assert!(text.contains("client#0      got 200"), "{text}");
}

#[test]
fn a_visitor_that_nobody_knows_is_refused_with_those_that_are_known() {
    let failure = simulation()
        .client_at(ms(0), "ghost")
        .run(slow)
        .unwrap_err();
    assert_eq!(
        failure.violation.what,
        "no visitor is called `ghost`; there are: guest"
    );
}

#[test]
fn an_answer_says_nothing_of_the_machines_clock() {
    for simulation in [scenario(), scenario().in_turmoil()] {
        simulation
            .visitor("guest", |visit: Visit| async move {
                let answer = visit.ask(path("/slow")).await.unwrap();
                assert_eq!(answer.headers().get(http::header::DATE), None);
                assert_eq!(answer.status(), 200);
            })
            .client_at(ms(0), "guest")
            .signal_at(ms(100), Signal::Sigterm)
            .run(slow)
            .unwrap();
    }
}
