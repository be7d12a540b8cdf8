//! What the timelines are made with: short words for plain data, and the comparison.
//!
//! **Invariant:** a case that a law forbids is no documentation: its run ends by itself.

use lamplighter::Signal;
use lamplighter_sim::{
    Act, ActDoes, Client, ClientDoes, Hook, HookDoes, Memory, Request, RunEnd, Scenario, World,
};

/// Compares all that is seen of `scenario` with the snapshot `timeline__NAME`.
#[expect(
    clippy::unwrap_used,
    reason = "a case that cannot be run fails its test"
)]
pub(crate) fn timeline(name: &str, description: &str, scenario: &Scenario) {
    let run = Memory::default().run(scenario, &mut ()).unwrap();
    assert!(
        matches!(run.end, RunEnd::Done | RunEnd::ClientsLeft(_)),
        "{:?}\n{}",
        run.end,
        run.text()
    );
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description);
    let exit = run.report.as_ref().map(lamplighter::Report::exit_code);
    let exit = exit.map_or_else(String::new, |code| format!("exit code {code}\n"));
    let text = run.text() + &exit;
    settings.bind(|| insta::assert_snapshot!(format!("timeline__{name}"), text));
}

/// A client that comes so long after the one before it.
pub(crate) fn client(gap_ms: u32, does: ClientDoes) -> Client {
    Client {
        gap_ms,
        does,
        ..Client::default()
    }
}

/// One request over HTTP/1.1, whose handler takes so long.
pub(crate) fn asks(takes_ms: u32) -> ClientDoes {
    ClientDoes::Http1 {
        requests: vec![takes(takes_ms)],
    }
}

pub(crate) fn takes(takes_ms: u32) -> Request {
    Request {
        takes_ms,
        receive_bytes: 100,
        ..Request::default()
    }
}

pub(crate) fn act(gap_ms: u32, does: ActDoes) -> Act {
    Act { gap_ms, does }
}

pub(crate) fn sigterm(gap_ms: u32) -> Act {
    act(gap_ms, ActDoes::Signal(Signal::Sigterm))
}

/// A hook that comes after those whose bits are set.
pub(crate) fn hook(after: u16, takes_ms: u32, does: HookDoes) -> Hook {
    Hook {
        after,
        takes_ms,
        does,
        timeout_ms: None,
    }
}
