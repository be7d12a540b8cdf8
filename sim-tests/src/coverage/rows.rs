//! The rows of the table: everything that is counted.
//!
//! **Invariant:** every event of a server, every act, and everything that clients, handlers, hooks and
//! workers can do has a row.

use std::fmt;

use lamplighter::{
    Cause, ConnectionEnd, Failure, HookOutcome, Phase, ServerEventKind, SignalTaken, WorkerOutcome,
};

use crate::scenario::{ActDoes, ClientDoes, HandlerDoes, HookDoes, WorkerDoes};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// What the server tells.
    Event,
    /// What befalls it.
    Act,
    /// Who connects.
    Client,
    /// What a handler that is called will do.
    Handler,
    /// What a hook that is called will do.
    Hook,
    /// What a worker that ends has done.
    Worker,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Event => "event",
            Self::Act => "act",
            Self::Client => "client",
            Self::Handler => "handler",
            Self::Hook => "hook",
            Self::Worker => "worker",
        })
    }
}

macro_rules! rows {
    ($($subject:ident { $($row:ident = $name:literal,)* })*) => {
        /// Something that is counted, phase by phase.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each one's name, as it prints, says all there is")]
        pub enum Row {
            $($($row,)*)*
        }

        impl Row {
            /// Every row.
            pub const ALL: &[Self] = &[$($(Self::$row,)*)*];

            /// What it is called in print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$row => $name,)*)*
                }
            }

            /// What it is about.
            #[must_use]
            pub const fn subject(self) -> Subject {
                match self {
                    $($(Self::$row)|* => Subject::$subject,)*
                }
            }
        }
    };
}

rows! {
    Event {
        Start = "start",
        Ready = "ready",
        StoppingBySignal = "stopping: signal",
        StoppingByRequest = "stopping: stop()",
        StoppingByForce = "stopping: force()",
        StoppingByDrain = "stopping: drain()",
        StoppingByDrop = "stopping: dropped",
        StoppingByFailedStart = "stopping: failed start",
        StoppingByListener = "stopping: listener",
        ErrorOfStart = "error: start",
        ErrorOfCallback = "error: callback",
        ErrorOfListener = "error: listener",
        ErrorOfWorker = "error: worker",
        ErrorOfHook = "error: hook",
        ErrorOfRest = "error: not disposed",
        Stop = "stop",
        ToStarting = "to starting",
        ToRunning = "to running",
        ToLameDuck = "to lame-duck",
        ToDraining = "to draining",
        ToForceClosing = "to force-closing",
        ToRunningHooks = "to running-hooks",
        ToDisposing = "to disposing",
        SignalFirst = "signal: first",
        SignalSecond = "signal: second",
        SignalThird = "signal: third",
        SignalRepeated = "signal: repeated",
        SignalIgnored = "signal: ignored",
        StopAgain = "stop again",
        Force = "force",
        ListenersClosed = "listeners closed",
        Drained = "drained",
        Cancelled = "cancelled",
        Opened = "open",
        PeerClosed = "close: peer closed",
        Idle = "close: idle",
        Silent = "close: silent",
        TimedOut = "close: timed out",
        Graceful = "close: graceful",
        Retired = "close: retired",
        Failed = "close: failed",
        Cut = "close: cut",
        Stuck = "close: stuck",
        WorkerOk = "worker: ok",
        WorkerFailed = "worker: failed",
        WorkerCut = "worker: cut",
        WorkerStuck = "worker: stuck",
        HookStarted = "hook: started",
        HookOk = "hook: ok",
        HookFailed = "hook: failed",
        HookPanicked = "hook: panicked",
        HookTimedOut = "hook: timed out",
        HookAbandoned = "hook: abandoned",
        HookNotStarted = "hook: not started",
        HookEnded = "hook: ended after all",
        Unknown = "an event without a row",
    }
    Act {
        ActSignal = "signal",
        ActStop = "stop()",
        ActForce = "force()",
        ActDrain = "drain()",
        ActDropOwner = "owner dropped",
        ActRegisterHook = "hook registered",
        ActHold = "hold",
        ActRelease = "release",
        ActPartition = "partition",
        ActCrash = "crash",
        ActAcceptErrors = "accept errors",
        ActBreakListener = "broken listener",
        ActFreeze = "freeze, or clock jump",
    }
    Client {
        Http1 = "http/1",
        Http2 = "http/2",
        Grpc = "grpc",
        Watch = "watch",
        Websocket = "websocket",
        Events = "events",
        SilentClient = "silent",
        HalfHead = "half a head",
        HalfPreface = "half a preface",
        NoSettingsAck = "no settings ack",
        NoPong = "no pong",
        IdleClient = "idle",
        SlowReader = "slow reader",
        SlowWriter = "slow writer",
        ResetMid = "resets",
        Probe = "probe",
        ConnectedLate = "connected too late",
        Refused = "refused",
    }
    Handler {
        Answers = "answers",
        AnswersUnread = "answers unread",
        Panics = "panics",
        PanicsInBody = "panics in its body",
        Hangs = "hangs",
        Stops = "calls stop()",
        Forces = "calls force()",
        Drains = "calls drain()",
        HearsCancelled = "waits until cancelled",
        Spawns = "leaves a task",
        Streams = "streams",
        BegunLate = "called in a stuck connection",
        HandlerDropped = "dropped",
    }
    Hook {
        HookDoesOk = "returns",
        HookDoesFail = "fails",
        HookDoesPanic = "panics",
        HookDoesHang = "hangs",
        HookDoesBlock = "blocks",
        HookDoesStop = "calls stop()",
        HookDoesForce = "calls force()",
        HookDoesRegister = "registers a hook",
        HookDropped = "dropped",
    }
    Worker {
        WorkerHearsDraining = "heard draining",
        WorkerHearsCancelled = "heard cancelled",
        WorkerDoesOk = "returned",
        WorkerDoesFail = "failed",
        WorkerDoesPanic = "panicked",
        WorkerDoesHang = "hung",
        WorkerDoesStop = "called stop()",
        WorkerDoesForce = "called force()",
        WorkerDropped = "dropped",
    }
}

/// The row of an event of a server.
pub(super) fn of_event(event: &ServerEventKind) -> Row {
    match event {
        ServerEventKind::Start => Row::Start,
        ServerEventKind::Ready => Row::Ready,
        ServerEventKind::Stopping(cause) => of_cause(cause),
        ServerEventKind::Error(failures) => failures.first().map_or(Row::Unknown, of_failure),
        ServerEventKind::Stop => Row::Stop,
        ServerEventKind::Phase(phase) => of_phase(*phase),
        ServerEventKind::Signal { taken, .. } => match taken {
            SignalTaken::First => Row::SignalFirst,
            SignalTaken::Second => Row::SignalSecond,
            SignalTaken::Third => Row::SignalThird,
            SignalTaken::Repeated => Row::SignalRepeated,
            SignalTaken::Ignored => Row::SignalIgnored,
        },
        ServerEventKind::StopAgain(_) => Row::StopAgain,
        ServerEventKind::Force => Row::Force,
        ServerEventKind::ListenersClosed => Row::ListenersClosed,
        ServerEventKind::Drained => Row::Drained,
        ServerEventKind::Cancelled => Row::Cancelled,
        ServerEventKind::ConnectionOpened { .. } => Row::Opened,
        ServerEventKind::ConnectionClosed { end, .. } => of_end(*end),
        ServerEventKind::WorkerEnded { how, .. } => match how {
            WorkerOutcome::Ok => Row::WorkerOk,
            WorkerOutcome::Failed(_) | WorkerOutcome::Panicked(_) => Row::WorkerFailed,
            WorkerOutcome::Cut => Row::WorkerCut,
            WorkerOutcome::Stuck => Row::WorkerStuck,
        },
        ServerEventKind::HookStarted(_) => Row::HookStarted,
        ServerEventKind::HookSettled { outcome, .. } => match outcome {
            HookOutcome::Ok => Row::HookOk,
            HookOutcome::Failed(_) => Row::HookFailed,
            HookOutcome::Panicked(_) => Row::HookPanicked,
            HookOutcome::TimedOut => Row::HookTimedOut,
            HookOutcome::Abandoned => Row::HookAbandoned,
            HookOutcome::NotStarted => Row::HookNotStarted,
            _ => Row::Unknown,
        },
        ServerEventKind::HookEnded(_) | ServerEventKind::HookGone(_) => Row::HookEnded,
        _ => Row::Unknown,
    }
}

const fn of_cause(cause: &Cause) -> Row {
    match cause {
        Cause::Signal(_) => Row::StoppingBySignal,
        Cause::Requested(_) => Row::StoppingByRequest,
        Cause::Forced => Row::StoppingByForce,
        Cause::Drain => Row::StoppingByDrain,
        Cause::Dropped => Row::StoppingByDrop,
        Cause::StartFailed => Row::StoppingByFailedStart,
        Cause::ListenerFailed(_) => Row::StoppingByListener,
        _ => Row::Unknown,
    }
}

const fn of_failure(failure: &Failure) -> Row {
    match failure {
        Failure::Start(_) => Row::ErrorOfStart,
        Failure::Callback { .. } => Row::ErrorOfCallback,
        Failure::Listener { .. } => Row::ErrorOfListener,
        Failure::Worker { .. } => Row::ErrorOfWorker,
        Failure::Hook { .. } => Row::ErrorOfHook,
        Failure::NotDisposed { .. } => Row::ErrorOfRest,
        _ => Row::Unknown,
    }
}

const fn of_phase(phase: Phase) -> Row {
    match phase {
        Phase::Starting => Row::ToStarting,
        Phase::Running => Row::ToRunning,
        Phase::LameDuck => Row::ToLameDuck,
        Phase::Draining => Row::ToDraining,
        Phase::ForceClosing => Row::ToForceClosing,
        Phase::RunningHooks => Row::ToRunningHooks,
        Phase::Disposing => Row::ToDisposing,
        // A life begins in the one, and its last event tells of the other.
        Phase::Created | Phase::Stopped | _ => Row::Unknown,
    }
}

const fn of_end(end: ConnectionEnd) -> Row {
    match end {
        ConnectionEnd::PeerClosed => Row::PeerClosed,
        ConnectionEnd::Idle => Row::Idle,
        ConnectionEnd::Silent => Row::Silent,
        ConnectionEnd::TimedOut => Row::TimedOut,
        ConnectionEnd::Graceful => Row::Graceful,
        ConnectionEnd::Retired => Row::Retired,
        ConnectionEnd::Failed => Row::Failed,
        ConnectionEnd::Cut => Row::Cut,
        ConnectionEnd::Stuck => Row::Stuck,
        _ => Row::Unknown,
    }
}

/// The row of an act.
pub(super) const fn of_act(does: ActDoes) -> Row {
    match does {
        ActDoes::Signal(_) => Row::ActSignal,
        ActDoes::Stop => Row::ActStop,
        ActDoes::Force => Row::ActForce,
        ActDoes::Drain => Row::ActDrain,
        ActDoes::DropOwner => Row::ActDropOwner,
        ActDoes::RegisterHook => Row::ActRegisterHook,
        ActDoes::Hold { .. } => Row::ActHold,
        ActDoes::Release { .. } => Row::ActRelease,
        ActDoes::Partition { .. } => Row::ActPartition,
        ActDoes::Crash { .. } => Row::ActCrash,
        ActDoes::AcceptErrors { .. } => Row::ActAcceptErrors,
        ActDoes::BreakListener => Row::ActBreakListener,
        // A world with one clock for all has the one, and one with a clock for each the other.
        ActDoes::Freeze { .. } | ActDoes::Jump { .. } => Row::ActFreeze,
    }
}

/// The row of a client that has a connection.
pub(super) const fn of_client(does: &ClientDoes) -> Row {
    match does {
        ClientDoes::Http1 { .. } => Row::Http1,
        ClientDoes::Http2 { .. } => Row::Http2,
        ClientDoes::Grpc { .. } => Row::Grpc,
        ClientDoes::Watch => Row::Watch,
        ClientDoes::Websocket { .. } => Row::Websocket,
        ClientDoes::Events { .. } => Row::Events,
        ClientDoes::Silent => Row::SilentClient,
        ClientDoes::HalfHead => Row::HalfHead,
        ClientDoes::HalfPreface => Row::HalfPreface,
        ClientDoes::NoSettingsAck => Row::NoSettingsAck,
        ClientDoes::NoPong => Row::NoPong,
        ClientDoes::Idle { .. } => Row::IdleClient,
        ClientDoes::SlowReader { .. } => Row::SlowReader,
        ClientDoes::SlowWriter { .. } => Row::SlowWriter,
        ClientDoes::ResetMid { .. } => Row::ResetMid,
        ClientDoes::Probe { .. } => Row::Probe,
        // Campaigns of cases have none; it says nothing.
        ClientDoes::Own { .. } => Row::SilentClient,
    }
}

/// The row of a handler that was called.
pub(super) const fn of_handler(does: HandlerDoes) -> Row {
    match does {
        HandlerDoes::Answer => Row::Answers,
        HandlerDoes::AnswerUnread => Row::AnswersUnread,
        HandlerDoes::Panic => Row::Panics,
        HandlerDoes::PanicInBody => Row::PanicsInBody,
        HandlerDoes::Hang => Row::Hangs,
        HandlerDoes::Stop => Row::Stops,
        HandlerDoes::Force => Row::Forces,
        HandlerDoes::Drain => Row::Drains,
        HandlerDoes::HearCancelled => Row::HearsCancelled,
        HandlerDoes::Spawn { .. } => Row::Spawns,
        HandlerDoes::Stream { .. } => Row::Streams,
    }
}

/// The row of a hook that was called.
pub(super) const fn of_hook(does: HookDoes) -> Row {
    match does {
        HookDoes::Ok => Row::HookDoesOk,
        HookDoes::Fail => Row::HookDoesFail,
        HookDoes::Panic => Row::HookDoesPanic,
        HookDoes::Hang => Row::HookDoesHang,
        HookDoes::Block => Row::HookDoesBlock,
        HookDoes::Stop => Row::HookDoesStop,
        HookDoes::Force => Row::HookDoesForce,
        HookDoes::Register => Row::HookDoesRegister,
    }
}

/// The row of a worker that has ended by itself.
pub(super) const fn of_worker(does: WorkerDoes) -> Row {
    match does {
        WorkerDoes::HearDraining => Row::WorkerHearsDraining,
        WorkerDoes::HearCancelled => Row::WorkerHearsCancelled,
        WorkerDoes::Ok => Row::WorkerDoesOk,
        WorkerDoes::Fail => Row::WorkerDoesFail,
        WorkerDoes::Panic => Row::WorkerDoesPanic,
        WorkerDoes::Hang => Row::WorkerDoesHang,
        WorkerDoes::Stop => Row::WorkerDoesStop,
        WorkerDoes::Force => Row::WorkerDoesForce,
    }
}
