//! Where every test server ends up, stopped or dropped: after its end, before its runtime is let go.
//!
//! **Invariant:** what is found here fails the test, whichever way the server was ended.

use lamplighter::Report;

use crate::leak::{Leaks, Ledger};

/// What is wrong with how a server ended; nothing, or a sentence for each.
pub(super) type Settled = Result<(), String>;

/// What a server has left in its runtime, or why nobody can say.
pub(super) type Found = Result<Leaks, String>;

/// Looks at what is left of a server that has ended. Runs in the server's own runtime.
pub(super) async fn settle(report: &Report, ledger: &Ledger) -> Found {
    if report.is_complete() {
        Ok(ledger.settle(report).await)
    } else {
        Err(format!(
            "its runtime was gone before its end; {report}\n{}",
            report.timeline()
        ))
    }
}

/// Judges all that is left, once its own runtime is gone if it had one.
pub(super) fn judge(found: Found, ledger: &Ledger) -> Settled {
    let Err(leaks) = ledger.close(found?) else {
        return Ok(());
    };
    let Some(reason) = ledger.allowed() else {
        return Err(leaks.to_string());
    };
    #[expect(
        clippy::print_stderr,
        reason = "shown with a test that fails for another reason"
    )]
    {
        eprintln!("a leak that is allowed ({reason}): {leaks}");
    }
    Ok(())
}
