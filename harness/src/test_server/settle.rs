//! Where every test server ends up, stopped or dropped: after its end, before its runtime is let go.
//!
//! **Invariant:** what is found here fails the test, whichever way the server was ended.

use lamplighter::Report;

/// What is wrong with how a server ended; nothing, or a sentence for each.
pub(super) type Settled = Result<(), String>;

/// Looks at what is left of a server that has ended. Runs in the server's own runtime.
pub(super) async fn settle(report: &Report) -> Settled {
    if report.is_complete() {
        Ok(())
    } else {
        Err(format!(
            "its runtime was gone before its end; {report}\n{}",
            report.timeline()
        ))
    }
}
