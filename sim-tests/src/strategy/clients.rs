//! The clients of a case.
//!
//! **Invariant:** whatever goes on piece by piece is some dozens of pieces at most.

use super::draw::Draw;
use super::swarm::Switch;
use crate::scenario::{Client, ClientDoes, HandlerDoes, Hears, Home, ProbeOf, Request};

/// What a client may be, before its numbers are drawn.
#[derive(Clone, Copy)]
enum Kind {
    Http1,
    Http2,
    Grpc,
    Watch,
    Websocket,
    Events,
    Silent,
    HalfHead,
    HalfPreface,
    NoSettingsAck,
    NoPong,
    Idle,
    SlowReader,
    SlowWriter,
    ResetMid,
    Probe,
}

const KINDS: [(Option<Switch>, Kind); 16] = [
    (Some(Switch::Http1), Kind::Http1),
    (Some(Switch::Http2), Kind::Http2),
    (Some(Switch::Grpc), Kind::Grpc),
    (Some(Switch::Watch), Kind::Watch),
    (Some(Switch::Websocket), Kind::Websocket),
    (Some(Switch::Events), Kind::Events),
    (Some(Switch::Silent), Kind::Silent),
    (Some(Switch::Halfway), Kind::HalfHead),
    (Some(Switch::Halfway), Kind::HalfPreface),
    (Some(Switch::Mute), Kind::NoSettingsAck),
    (Some(Switch::Mute), Kind::NoPong),
    (Some(Switch::Idle), Kind::Idle),
    (Some(Switch::SlowReader), Kind::SlowReader),
    (Some(Switch::SlowWriter), Kind::SlowWriter),
    (Some(Switch::Reset), Kind::ResetMid),
    (Some(Switch::Probe), Kind::Probe),
];

/// How many clients there are; none, if the swarm has no kind of them.
pub(super) fn how_many(draw: &mut Draw) -> usize {
    let most = if draw.sometimes(Switch::Crowd, 4) {
        12
    } else {
        4
    };
    let many = draw.between(0, most);
    let some = KINDS
        .iter()
        .any(|(kind, _)| kind.is_some_and(|it| draw.has(it)));
    if some { many as usize } else { 0 }
}

/// So many clients, in a case that goes on for about `lasts` milliseconds.
pub(super) fn clients(draw: &mut Draw, many: usize, lasts: u32) -> Vec<Client> {
    let client = |draw: &mut Draw| {
        let kind = draw.allowed(&KINDS)?;
        Some(Client {
            gap_ms: gap(draw),
            home: if draw.one_in(2) {
                Home::Shared
            } else {
                Home::Own
            },
            does: does(draw, kind, lasts),
        })
    };
    (0..many).filter_map(|_| client(draw)).collect()
}

/// Before a client comes: mostly so little that it comes before what befalls the server.
fn gap(draw: &mut Draw) -> u32 {
    match draw.between(0, 3) {
        0 | 1 => 0,
        2 => draw.ms() / 8,
        _ => draw.ms(),
    }
}

fn does(draw: &mut Draw, kind: Kind, lasts: u32) -> ClientDoes {
    match kind {
        Kind::Http1 => ClientDoes::Http1 {
            requests: requests(draw, lasts),
        },
        Kind::Http2 => ClientDoes::Http2 {
            requests: requests(draw, lasts),
        },
        Kind::Grpc => ClientDoes::Grpc {
            calls: requests(draw, lasts),
        },
        Kind::Watch => ClientDoes::Watch,
        Kind::Websocket => ClientDoes::Websocket {
            messages: u16::try_from(draw.few(8)).unwrap_or_default(),
            every_ms: draw.ms(),
        },
        Kind::Events => ClientDoes::Events {
            every_ms: draw.every_ms(lasts),
            hears: hears(draw),
        },
        Kind::Silent => ClientDoes::Silent,
        Kind::HalfHead => ClientDoes::HalfHead,
        Kind::HalfPreface => ClientDoes::HalfPreface,
        Kind::NoSettingsAck => ClientDoes::NoSettingsAck,
        Kind::NoPong => ClientDoes::NoPong,
        Kind::Idle => ClientDoes::Idle {
            requests: requests(draw, lasts),
        },
        Kind::SlowReader => slow_reader(draw, lasts),
        Kind::SlowWriter => {
            let (bytes, chunk) = pieces(draw);
            ClientDoes::SlowWriter {
                bytes,
                chunk,
                every_ms: draw.every_ms(lasts),
            }
        }
        Kind::ResetMid => {
            let bytes = 1 << draw.between(0, 16);
            ClientDoes::ResetMid {
                bytes,
                after_bytes: draw.between(0, bytes + 200),
            }
        }
        Kind::Probe => ClientDoes::Probe {
            of: draw
                .one_of(&[ProbeOf::Readiness, ProbeOf::Liveness])
                .unwrap_or_default(),
            every_ms: draw.every_ms(lasts).max(lasts / 8),
        },
    }
}

fn slow_reader(draw: &mut Draw, lasts: u32) -> ClientDoes {
    let (bytes, chunk) = pieces(draw);
    ClientDoes::SlowReader {
        bytes,
        window: (bytes / draw.between(1, 8)).max(1),
        chunk,
        every_ms: draw.every_ms(lasts),
    }
}

/// A number of bytes, and one that they are some dozens of pieces of at most.
fn pieces(draw: &mut Draw) -> (u32, u32) {
    let bytes = 1 << draw.between(4, 16);
    (bytes, (bytes / draw.between(1, 32)).max(1))
}

fn requests(draw: &mut Draw, lasts: u32) -> Vec<Request> {
    let many = 1 + draw.few(3);
    (0..many).map(|_| request(draw, lasts)).collect()
}

fn request(draw: &mut Draw, lasts: u32) -> Request {
    let does = if draw.one_in(2) {
        HandlerDoes::Answer
    } else {
        handler(draw, lasts)
    };
    let (mut send_bytes, mut receive_bytes) = (0, 0);
    if draw.has(Switch::Bodies) {
        send_bytes = bytes(draw);
        receive_bytes = bytes(draw);
    }
    Request {
        gap_ms: draw.ms(),
        takes_ms: if draw.has(Switch::Slowness) {
            draw.ms()
        } else {
            0
        },
        send_bytes,
        receive_bytes,
        does,
    }
}

fn bytes(draw: &mut Draw) -> u32 {
    match draw.between(0, 7) {
        0..4 => 0,
        4 => 1,
        5 => draw.between(2, 1_000),
        6 => draw.between(1_000, 20_000),
        _ => 1 << draw.between(10, 17),
    }
}

fn hears(draw: &mut Draw) -> Hears {
    draw.one_of(&[Hears::Draining, Hears::Cancelled, Hears::Nothing])
        .unwrap_or_default()
}

fn handler(draw: &mut Draw, lasts: u32) -> HandlerDoes {
    let stream = HandlerDoes::Stream {
        every_ms: draw.every_ms(lasts),
        hears: hears(draw),
    };
    let spawn = HandlerDoes::Spawn { ms: draw.ms() };
    draw.allowed(&[
        (None, HandlerDoes::Answer),
        (Some(Switch::Careless), HandlerDoes::AnswerUnread),
        (Some(Switch::Careless), spawn),
        (Some(Switch::HandlerPanics), HandlerDoes::Panic),
        (Some(Switch::HandlerPanics), HandlerDoes::PanicInBody),
        (Some(Switch::HandlerHangs), HandlerDoes::Hang),
        (Some(Switch::HandlerHangs), HandlerDoes::HearCancelled),
        (Some(Switch::CallsFromWithin), HandlerDoes::Stop),
        (Some(Switch::CallsFromWithin), HandlerDoes::Force),
        (Some(Switch::CallsFromWithin), HandlerDoes::Drain),
        (Some(Switch::Streams), stream),
    ])
    .unwrap_or_default()
}
