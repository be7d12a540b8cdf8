//! What shrinking leaves over, of cases whose failure is known.

use lamplighter::Signal;

use super::*;
use crate::scenario::{Act, ActDoes, Client, ClientDoes, HandlerDoes, Hook, HookDoes, Request};
use crate::strategy::Case;

/// Everything that a case holds, as far as it counts against it.
fn size(case: &Scenario) -> usize {
    case.hooks.len() + case.clients.len() + case.acts.len() + case.workers.len()
}

fn hooks_that(case: &Scenario, does: HookDoes) -> usize {
    case.hooks.iter().filter(|hook| hook.does == does).count()
}

#[test]
fn what_a_failure_does_not_need_is_gone_and_what_it_needs_is_left() {
    let fails = |case: &Scenario| {
        hooks_that(case, HookDoes::Panic) >= 1
            && hooks_that(case, HookDoes::Hang) >= 2
            && case.acts.iter().filter(|act| act.gap_ms >= 3).count() >= 2
    };
    let mut found = 0;
    for case in (0..20_000)
        .map(Case::new)
        .filter(|case| fails(&case.scenario))
    {
        let shrunk = shrink(&case.scenario, u32::MAX, fails);
        assert!(shrunk.minimal);
        assert_eq!(size(&shrunk.smallest), 5, "{:#?}", shrunk.smallest);
        let gaps: Vec<u32> = shrunk.smallest.acts.iter().map(|act| act.gap_ms).collect();
        assert_eq!(gaps, [3, 3]);
        let expected = Scenario {
            hooks: shrunk.smallest.hooks.clone(),
            acts: shrunk.smallest.acts.clone(),
            ..Scenario::default()
        };
        assert_eq!(shrunk.smallest, expected);
        found += 1;
    }
    assert!(found >= 5, "{found} of the cases fail");
}

#[test]
fn every_step_changes_a_case_or_is_none_and_no_step_leads_up() {
    let simplest = Scenario::default();
    for case in (0..12).map(Case::new) {
        let case = case.scenario;
        for step in 0..case.steps(&simplest) {
            let mut simpler = case.clone();
            simpler.step(&simplest, step);
            assert!(size(&simpler) <= size(&case));
            // A case that leads back would be shrunk for ever.
            for back in 0..simpler.steps(&simplest) {
                let mut again = simpler.clone();
                again.step(&simplest, back);
                assert!(again != case || simpler == case, "{case:?} and {simpler:?}");
            }
        }
        let mut untouched = case.clone();
        untouched.step(&simplest, case.steps(&simplest));
        assert_eq!(untouched, case);
    }
}

#[test]
fn a_case_that_fails_whatever_it_holds_becomes_the_simplest_one() {
    for case in (0..200).map(Case::new) {
        let shrunk = shrink(&case.scenario, u32::MAX, |_| true);
        assert_eq!(shrunk.smallest, Scenario::default());
    }
}

#[test]
fn an_act_follows_its_client_when_another_is_taken_out() {
    let client = |gap_ms| Client {
        gap_ms,
        ..Client::default()
    };
    let case = Scenario {
        clients: vec![client(1), client(2), client(4)],
        acts: vec![
            Act {
                gap_ms: 8,
                does: ActDoes::Crash { client: 0 },
            },
            Act {
                gap_ms: 16,
                does: ActDoes::Hold { client: 2 },
            },
        ],
        ..Scenario::default()
    };
    let fails = |case: &Scenario| {
        let held = case.acts.iter().filter_map(|act| act.does.client());
        held.clone().count() == 1
            && held
                .map(|held| case.clients[..=usize::from(held)].iter())
                .all(|until| until.map(|client| client.gap_ms).sum::<u32>() == 7)
    };
    let mut start = case.clone();
    start.acts.remove(0);
    let smallest = shrink(&start, u32::MAX, fails).smallest;
    let nobody_asks = ClientDoes::Http1 {
        requests: Vec::new(),
    };
    assert_eq!(
        smallest.clients,
        [Client {
            does: nobody_asks,
            ..client(7)
        }]
    );
    assert_eq!(
        smallest.acts,
        [Act {
            gap_ms: 0,
            does: ActDoes::Hold { client: 0 }
        }]
    );

    let mut without = case;
    let simplest = Scenario::default();
    // All three, the first two, the last; then the first alone.
    without.step(&simplest, 3);
    assert_eq!(without.clients, [client(3), client(4)]);
    assert_eq!(
        without.acts,
        [Act {
            gap_ms: 24,
            does: ActDoes::Hold { client: 1 }
        }]
    );
}

/// Three signals, the first of which finds a client whose line is held, and another client.
fn held() -> Scenario {
    let signal = |gap_ms| Act {
        gap_ms,
        does: ActDoes::Signal(Signal::Sigterm),
    };
    let hold = Act {
        gap_ms: 5,
        does: ActDoes::Hold { client: 1 },
    };
    Scenario {
        clients: vec![Client::default(); 2],
        acts: vec![hold, signal(1), signal(400), signal(400)],
        ..Scenario::default()
    }
}

/// Whether there is something that nothing but force ends, and how many signals there are.
fn lasts(case: &Scenario, allows: fn(&Client) -> bool) -> (bool, usize) {
    let befallen = |place: &u16| {
        case.acts
            .iter()
            .any(|act| act.does.client() == Some(*place))
    };
    let hangs = |client: &Client| {
        let asked = client.does.request(0);
        asked.is_some_and(|asked| asked.does == HandlerDoes::Hang)
    };
    let client = (0..).zip(&case.clients);
    let lasts = hooks_that(case, HookDoes::Hang) > 0
        || client
            .into_iter()
            .any(|(place, client)| allows(client) && (hangs(client) || befallen(&place)));
    let is_signal = |act: &&Act| matches!(act.does, ActDoes::Signal(_));
    (lasts, case.acts.iter().filter(is_signal).count())
}

#[test]
fn a_client_and_what_befalls_it_become_one_thing_that_lasts_as_long() {
    let hangs = Request {
        does: HandlerDoes::Hang,
        ..Request::default()
    };
    let smallest = shrink(&held(), u32::MAX, |case| {
        lasts(case, |_| true) == (true, 3) && hooks_that(case, HookDoes::Hang) == 0
    });
    let clients: Vec<&ClientDoes> = smallest
        .smallest
        .clients
        .iter()
        .map(|it| &it.does)
        .collect();
    let requests = vec![hangs];
    assert_eq!(clients, [&ClientDoes::Http1 { requests }]);
    assert_eq!(size(&smallest.smallest), 4);

    // Where no client does, a hook may.
    let smallest = shrink(&held(), u32::MAX, |case| {
        let held = |client: &Client| client.does.request(0) == Some(Request::default());
        lasts(case, held) == (true, 3)
    });
    let hook = Hook {
        does: HookDoes::Hang,
        ..Hook::default()
    };
    assert_eq!(smallest.smallest.hooks, [hook]);
    assert_eq!(size(&smallest.smallest), 4);
}

#[test]
fn what_becomes_one_thing_leaves_the_others_when_they_were() {
    let mut case = held();
    case.clients[1].gap_ms = 7;
    let simplest = Scenario::default();
    let first = case.steps(&simplest) - 2;
    let changed = |step| {
        let mut changed = case.clone();
        changed.step(&simplest, step);
        let gaps: Vec<u32> = changed.acts.iter().map(|act| act.gap_ms).collect();
        let clients: Vec<u32> = changed.clients.iter().map(|it| it.gap_ms).collect();
        (clients, gaps, changed.hooks.len())
    };
    assert_eq!(changed(first), (vec![0, 7], vec![6, 400, 400], 0));
    assert_eq!(changed(first + 1), (vec![0], vec![6, 400, 400], 1));
}

#[test]
fn an_order_follows_its_hooks_when_others_are_taken_out() {
    let hook = |after| Hook {
        after,
        ..Hook::default()
    };
    let mut case = Scenario {
        hooks: vec![hook(0), hook(0b1), hook(0b10), hook(0b101), hook(0b1111)],
        ..Scenario::default()
    };
    case.remove_hooks(1..3);
    assert_eq!(case.hooks, [hook(0), hook(0b1), hook(0b11)]);
    let mut all = Scenario {
        hooks: vec![hook(u16::MAX); 20],
        ..Scenario::default()
    };
    all.remove_hooks(0..16);
    assert_eq!(all.hooks, [hook(0); 4]);
}

#[test]
fn the_requests_of_a_case_outlive_the_protocol_that_it_does_not_need() {
    let request = Request {
        receive_bytes: 7,
        ..Request::default()
    };
    let case = Scenario {
        clients: vec![Client {
            does: ClientDoes::Grpc {
                calls: vec![Request::default(), request],
            },
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 0,
            does: ActDoes::Signal(Signal::Sigint),
        }],
        ..Scenario::default()
    };
    let fails = |case: &Scenario| {
        case.clients.iter().any(|client| {
            (0..2).any(|number| {
                client
                    .does
                    .request(number)
                    .is_some_and(|it| it.receive_bytes >= 5)
            })
        })
    };
    let smallest = shrink(&case, u32::MAX, fails).smallest;
    let requests = vec![Request {
        receive_bytes: 5,
        ..Request::default()
    }];
    let expected = Scenario {
        clients: vec![Client {
            does: ClientDoes::Http1 { requests },
            ..Client::default()
        }],
        ..Scenario::default()
    };
    assert_eq!(smallest, expected);
}

#[test]
fn on_the_way_to_the_smallest_case_no_client_asks_more_often_than_it_did_or_an_orchestrator_does() {
    let asks = |case: &Scenario| {
        let every = |client: &Client| {
            if let ClientDoes::Probe { every_ms, .. } = &client.does {
                return Some(*every_ms);
            }
            None
        };
        case.clients.iter().filter_map(every).min()
    };
    let mut found = 0;
    for case in (0..400).map(Case::new) {
        let Some(least) = asks(&case.scenario).map(|every| every.min(1000)) else {
            continue;
        };
        let shrunk = shrink(&case.scenario, u32::MAX, |simpler| {
            let asked = asks(simpler);
            assert!(asked.is_none_or(|every| every >= least), "{simpler:#?}");
            asked.is_some()
        });
        assert_eq!(asks(&shrunk.smallest), Some(1000));
        found += 1;
    }
    assert!(found >= 5, "{found} of the cases have one that asks");
}

#[test]
fn shrinking_ends_when_its_runs_are_used_up() {
    let case = Case::new(1).scenario;
    let mut runs = 0;
    let shrunk = shrink(&case, 3, |_| {
        runs += 1;
        false
    });
    assert_eq!((shrunk.runs, runs, shrunk.minimal), (3, 3, false));
    assert_eq!(shrunk.smallest, case);
}
