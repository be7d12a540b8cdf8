//! Aims at the phases in which the server listens: the start, the lame duck, the drain.
//!
//! **Invariant:** each of these phases lasts.

use super::{act, cause, signal, work};
use crate::scenario::{
    ActDoes, Check, Client, ClientDoes, Home, Origin, Red, Request, Scenario, Worker, WorkerDoes,
};
use crate::strategy::draw::Draw;

/// A start that waits, with all that comes before it is ready; says for how long.
pub(super) fn start(draw: &mut Draw, case: &mut Scenario) -> u32 {
    let lasts = draw.between(16, 400);
    case.from = Origin::Call;
    case.start.checks = vec![Check {
        red_ms: lasts,
        red: Red::Fail,
    }];
    case.plan.start_ms = lasts * 4;
    case.plan.ready_ms = lasts * 4;
    for client in &mut case.clients {
        client.gap_ms = draw.few(lasts / 8);
    }
    for act in &mut case.acts {
        act.gap_ms = draw.few(lasts / 2);
    }
    lasts
}

/// A start that outlasts what connections may take: those that say nothing, or not all, and one whose
/// answer does not get through.
pub(super) fn impatient_start(draw: &mut Draw, case: &mut Scenario) {
    let lasts = start(draw, case);
    let mut little = || Some(draw.between(1, lasts / 8));
    let (age, grace, head) = (little(), little(), little());
    if draw.one_in(2) {
        case.defences.header_read_ms = head;
        case.acts = vec![act(2 * lasts, ActDoes::Stop)];
        return;
    }
    case.defences.max_age_ms = age;
    case.defences.max_age_grace_ms = grace;
    // So little fits that an answer waits for room, and nobody makes any.
    case.link.window_bytes = 64;
    case.link.latency_ms = draw.between(0, 2);
    let asks = Client {
        home: Home::Own,
        does: ClientDoes::Http1 {
            requests: vec![Request::default()],
        },
        ..Client::default()
    };
    case.clients.insert(0, asks);
    let asked = 3 * case.link.latency_ms + draw.few(2);
    case.acts = vec![
        act(asked, ActDoes::Hold { client: 0 }),
        act(2 * lasts, ActDoes::Stop),
    ];
}

/// A lame duck that lasts, and everything in it.
pub(super) fn lame_duck(draw: &mut Draw, case: &mut Scenario) {
    let lasts = draw.between(16, 400);
    case.plan.lame_duck_ms = lasts;
    if draw.one_in(2) {
        // What is asked by then outlives its connection.
        case.defences.max_age_ms = Some(draw.between(1, lasts / 4));
        case.defences.max_age_grace_ms = Some(draw.between(1, lasts / 4));
    }
    let ends = [WorkerDoes::Ok, WorkerDoes::Fail, WorkerDoes::Panic];
    case.workers.push(Worker {
        takes_ms: draw.between(2, lasts),
        does: draw.one_of(&ends).unwrap_or_default(),
    });
    if let Ok(last @ 1..) = u16::try_from(case.clients.len()) {
        let client = draw.between(0, u32::from(last) - 1);
        let client = u16::try_from(client).unwrap_or_default();
        case.acts.insert(0, act(0, ActDoes::Crash { client }));
    }
    case.acts.insert(0, cause(draw, 1));
    for act in case.acts.iter_mut().skip(1) {
        act.gap_ms = draw.few(lasts / 4);
    }
    for client in &mut case.clients {
        client.gap_ms = draw.few(lasts / 4);
        work(draw, &mut client.does, 0);
    }
}

/// A drain that lasts, and everything in it, the third of the signals that count at last.
pub(super) fn draining(draw: &mut Draw, case: &mut Scenario) {
    let lead = draw.between(310, 400);
    case.plan.lame_duck_ms = 0;
    case.plan.cancel_lead_ms = lead;
    case.plan.drain_ms = 10 * lead;
    let hangs = Worker {
        takes_ms: 0,
        does: WorkerDoes::Hang,
    };
    case.workers.push(hangs);
    let mut acts = vec![signal(1)];
    acts.append(&mut case.acts);
    for act in acts.iter_mut().skip(1) {
        act.gap_ms = draw.few(60);
    }
    acts.extend([
        signal(draw.between(301, 400)),
        signal(draw.between(301, lead)),
    ]);
    case.acts = acts;
    for client in &mut case.clients {
        client.gap_ms = draw.few(60);
        work(draw, &mut client.does, 0);
    }
}
