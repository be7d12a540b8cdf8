//! Aims at what follows the drain, which takes little time or none.
//!
//! **Invariant:** something makes the phase last, or everything comes at its instant.

use super::{CROWD, TURN, about, act, cause, signal, work};
use crate::scenario::{
    AcceptFault, Act, ActDoes, Callback, CallbackDoes, Check, Client, ClientDoes, Defences, Home,
    Hook, HookDoes, Moment, Origin, Red, Request, Scenario, Worker, WorkerDoes,
};
use crate::strategy::draw::Draw;

/// A force close that lasts: somebody's streams are cut, and nothing of that gets through.
pub(super) fn force_close(draw: &mut Draw, case: &mut Scenario) {
    let latency = draw.between(1, 20);
    case.link.latency_ms = latency;
    case.link.window_bytes = 1 << draw.between(9, 12);
    case.plan.lame_duck_ms = 0;
    case.plan.drain_spread_ms = 0;
    case.plan.margin_ms = draw.between(200, 2_000);
    case.defences.max_connections = None;
    case.defences.max_age_ms = None;
    // By then its answer is on its way.
    let held = 6 * latency + 4;
    let mut acts = vec![act(held, ActDoes::Hold { client: 0 })];
    let forced = if draw.one_in(3) {
        // Three signals that count, the third of them in the phase.
        let lead = draw.between(290, 320);
        case.plan.cancel_lead_ms = lead;
        case.plan.drain_ms = 10 * lead;
        acts.extend([signal(1), signal(301), signal(draw.between(301, 320))]);
        301 + lead
    } else {
        case.plan.drain_ms = draw.between(1, 2 * latency);
        acts.push(cause(draw, 1));
        if draw.one_in(4) {
            // So long that a second signal in the phase counts.
            case.plan.drain_ms += 301;
            case.acts.insert(0, signal(0));
        }
        case.plan.drain_ms
    };
    let stops = held + 1;
    let told: u32 = acts.iter().map(|act| act.gap_ms).sum();
    for (place, mut act) in std::mem::take(&mut case.acts).into_iter().enumerate() {
        act.gap_ms = draw.few(8);
        if place == 0 {
            act.gap_ms += (stops + forced).saturating_sub(told);
        }
        acts.push(act);
    }
    case.acts = acts;
    // They are on their way when the listeners close, and connected when all is forced.
    let mut gap_ms = stops - latency - draw.few(2);
    for client in &mut case.clients {
        client.gap_ms = gap_ms;
        gap_ms = draw.few(1);
    }
    let blocked = Client {
        home: Home::Own,
        does: ClientDoes::Http2 {
            requests: vec![Request {
                receive_bytes: 1 << 17,
                ..Request::default()
            }],
        },
        ..Client::default()
    };
    case.clients.insert(0, blocked);
    case.clients.truncate(CROWD);
    let last = u16::try_from(case.clients.len() - 1).unwrap_or_default();
    // Everybody but the one that is blocked is one place further on.
    for act in case.acts.iter_mut().skip(1) {
        about(&mut act.does, |client| last.min(client + 1));
    }
}

/// Everything at the instant in which the drain is over: requests, and clients that go.
pub(super) fn deadline(draw: &mut Draw, case: &mut Scenario) {
    case.link.latency_ms = 0;
    case.plan.lame_duck_ms = 0;
    case.plan.drain_spread_ms = 0;
    case.plan.drain_ms = draw.between(1, 60);
    case.plan.margin_ms = draw.few(1) * 100;
    case.defences = Defences {
        max_requests: (!draw.one_in(4)).then_some(1),
        ..Defences::default()
    };
    let begins = draw.between(6, 30);
    let over = begins + case.plan.drain_ms;
    let mut at = 0;
    case.clients = (0..CROWD)
        .map(|_| {
            let gap_ms = draw.few(3).min(begins - 1 - at);
            at += gap_ms;
            let requests = vec![Request::default()];
            let mut does = match draw.between(0, 4) {
                0 | 1 => ClientDoes::Http1 { requests },
                2 => ClientDoes::Http2 { requests },
                3 => ClientDoes::Grpc { calls: requests },
                _ => ClientDoes::HalfHead,
            };
            work(draw, &mut does, over - at);
            Client {
                gap_ms,
                home: Home::Own,
                does,
            }
        })
        .collect();
    let mut acts = vec![cause(draw, begins)];
    for gap_ms in [over - begins, 0] {
        let client = u16::try_from(draw.between(0, 11)).unwrap_or_default();
        acts.push(act(gap_ms, ActDoes::Crash { client }));
    }
    let rest = std::mem::take(&mut case.acts);
    acts.extend(in_turns(draw, rest));
    case.acts = acts;
}

/// Workers that are done at the instant in which the drain is over: the stop is older than they are.
pub(super) fn workers(draw: &mut Draw, case: &mut Scenario) {
    case.plan.lame_duck_ms = 0;
    case.plan.drain_ms = draw.between(1, 60);
    case.plan.margin_ms = draw.few(1) * 100;
    case.callbacks = vec![Callback {
        on: Moment::Ready,
        does: CallbackDoes::Stop,
    }];
    let kinds = [
        WorkerDoes::HearDraining,
        WorkerDoes::HearCancelled,
        WorkerDoes::Ok,
        WorkerDoes::Fail,
        WorkerDoes::Panic,
        WorkerDoes::Hang,
        WorkerDoes::Stop,
        WorkerDoes::Force,
    ];
    case.workers = (0..8)
        .map(|_| Worker {
            takes_ms: case.plan.drain_ms,
            does: draw.one_of(&kinds).unwrap_or_default(),
        })
        .collect();
    let mut acts = std::mem::take(&mut case.acts);
    acts.push(act(0, ActDoes::Stop));
    case.acts = in_turns(draw, acts);
    if let Some(first) = case.acts.first_mut() {
        first.gap_ms = case.plan.drain_ms;
    }
}

/// Clients that nobody accepts any more, and that hear of their connection when the server is about to
/// be gone.
pub(super) fn latecomers(draw: &mut Draw, case: &mut Scenario) {
    let latency = draw.between(3, 20);
    case.link.latency_ms = latency;
    case.plan.lame_duck_ms = 0;
    let stops = 2 * latency;
    let accept_errors = ActDoes::AcceptErrors {
        times: 100,
        error: AcceptFault::OutOfMemory,
    };
    let mut acts = vec![
        act(0, accept_errors),
        act(stops, ActDoes::Drain),
        act(latency - draw.few(2), ActDoes::Force),
    ];
    acts.extend(in_turns(draw, std::mem::take(&mut case.acts)));
    case.acts = acts;
    let mut gap_ms = stops - latency - 2;
    for client in &mut case.clients {
        client.gap_ms = gap_ms;
        gap_ms = draw.few(1);
    }
}

/// Everything at the instant in which the stop begins and passes through all of its phases.
pub(super) fn instant(draw: &mut Draw, case: &mut Scenario) {
    case.plan.drain_ms = 0;
    case.plan.lame_duck_ms = 0;
    case.link.latency_ms = draw.few(2);
    case.defences.max_requests = draw.one_in(2).then_some(1);
    let begins = draw.between(8, 30);
    let mut acts = vec![cause(draw, begins)];
    acts.extend(in_turns(draw, std::mem::take(&mut case.acts)));
    case.acts = acts;
    // Some are there, or on their way.
    let mut gap_ms = begins - draw.few(3 * case.link.latency_ms);
    for client in &mut case.clients {
        client.gap_ms = gap_ms;
        gap_ms = 0;
    }
}

/// Everything at the instant in which the window of the hooks is over and the server disposes of what
/// it has.
pub(super) fn end(draw: &mut Draw, case: &mut Scenario) {
    let window = draw.between(603, 700);
    case.plan.hooks_ms = window;
    case.plan.lame_duck_ms = 0;
    case.plan.margin_ms = draw.few(1) * 20;
    // Nobody whom the drain would wait for; one that comes when all is over, for acts to be about.
    case.clients = vec![Client {
        gap_ms: 5_000,
        does: ClientDoes::Silent,
        ..Client::default()
    }];
    case.hooks = vec![Hook {
        does: HookDoes::Hang,
        ..Hook::default()
    }];
    case.workers.clear();
    let mut acts = vec![cause(draw, 10)];
    let mut until = window;
    let fails = draw.one_in(4);
    if fails {
        // What the stop is about is a start that failed, whose last word comes before its end.
        case.from = Origin::Call;
        case.plan.ready_ms = 5;
        case.plan.hooks_ms = 900;
        case.start.checks = vec![Check {
            red_ms: u32::MAX,
            red: Red::Fail,
        }];
        acts = vec![signal(10), signal(301)];
        until = draw.between(301, 400);
    } else if draw.one_in(2) {
        acts.push(signal(301));
        until -= 301;
        if draw.one_in(3) {
            // While a hook runs.
            until = draw.between(301, until);
        }
    }
    let mut burst = std::mem::take(&mut case.acts);
    burst.retain(|act| !matches!(act.does, ActDoes::Freeze { .. }));
    let place = draw.between(0, u32::try_from(burst.len()).unwrap_or_default());
    burst.insert(place as usize, signal(0));
    let burst = in_turns(draw, burst);
    let waits = act(until, ActDoes::Freeze { ms: 0 });
    acts.push(waits);
    acts.extend(burst);
    for act in &mut acts {
        about(&mut act.does, |_| 0);
    }
    case.acts = acts;
}

/// All in one instant, after some turns, and with some between them.
fn in_turns(draw: &mut Draw, acts: Vec<Act>) -> Vec<Act> {
    let mut burst = vec![TURN; draw.between(0, 16) as usize];
    for mut act in acts {
        act.gap_ms = 0;
        burst.push(act);
        if draw.one_in(2) {
            burst.push(TURN);
        }
    }
    burst
}
