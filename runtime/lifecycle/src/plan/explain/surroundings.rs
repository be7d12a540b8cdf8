//! What has to stand around a process so that its plan can be kept (floor 0).
//!
//! **Invariant:** nothing is advised that kills the process before its plan is over, unless the
//! plan is never over; then the text says so.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::{Ports, Probes};
use crate::plan::amount::Amount;
use crate::plan::{Budget, LameDuckReadiness, OnDeadline};

/// For what the plan does not see: delivering the signal, ending the process, the platform's own
/// rounding to seconds.
const RESERVE: Duration = Duration::from_secs(2);

const PROBE_PERIOD: Duration = Duration::from_secs(10);
const PROBE_FAILURES: u32 = 3;

pub(super) fn write(f: &mut fmt::Formatter<'_>, budget: &Budget, ports: Ports) -> fmt::Result {
    pod(f, budget, ports)?;
    docker(f, budget)?;
    systemd(f, budget)?;
    f.write_str("\nWorth knowing:")?;
    balancer(f, budget)?;
    held(f, budget)?;
    liveness(f, budget, ports)?;
    wait_without_end(f, budget)?;
    short(f, budget)
}

/// Platforms take whole seconds, and killing too early is worse than killing too late.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn pod(f: &mut fmt::Formatter<'_>, budget: &Budget, ports: Ports) -> fmt::Result {
    let (pre_stop, total) = (budget.pre_stop(), budget.total());
    write!(
        f,
        "
Kubernetes:

  spec:
    # pre_stop {} + budget {} + {}, rounded up
    terminationGracePeriodSeconds: {}
    containers:
      - name: app
        ports:
          - name: http
            containerPort: {}
",
        Amount(pre_stop),
        Amount(total),
        Amount(RESERVE),
        whole_seconds(pre_stop + total + RESERVE),
        ports.service,
    )?;
    probes(f, ports)?;
    if !pre_stop.is_zero() {
        write!(
            f,
            "        lifecycle:
          preStop:
            # Done by the kubelet: a distroless image has no sleep program.
            sleep:
              seconds: {}
",
            whole_seconds(pre_stop)
        )?;
    }
    Ok(())
}

/// The kubelet asks the admin listener, where there is one: it answers in every phase.
fn probes(f: &mut fmt::Formatter<'_>, ports: Ports) -> fmt::Result {
    if ports.probes == Probes::Nothing {
        return f.write_str(
            "        # No probes: this server answers none. A Healthcheck does, over HTTP or gRPC.
",
        );
    }
    let port = if let Some(admin) = ports.admin {
        write!(
            f,
            "          - name: admin
            containerPort: {admin}
"
        )?;
        "admin"
    } else {
        f.write_str(
            "        # If there is an admin listener, both probes belong on its port.
",
        )?;
        "http"
    };
    f.write_str("        readinessProbe:\n")?;
    match ports.probes {
        // A probe over gRPC takes no name for its port.
        Probes::Grpc => write!(
            f,
            "          grpc:
            port: {}
",
            ports.admin.unwrap_or(ports.service)
        )?,
        Probes::Http | Probes::Nothing => path(f, "/readyz", port)?,
    }
    f.write_str("          periodSeconds: 1\n        livenessProbe:\n")?;
    match ports.probes {
        Probes::Grpc => write!(
            f,
            "          # Over gRPC it would be asked whether it is ready, and killed in its lame duck.
          tcpSocket:
            port: {port}
"
        )?,
        Probes::Http | Probes::Nothing => path(f, "/livez", port)?,
    }
    write!(
        f,
        "          periodSeconds: {}
          failureThreshold: {PROBE_FAILURES}
",
        PROBE_PERIOD.as_secs(),
    )
}

fn path(f: &mut fmt::Formatter<'_>, path: &str, port: &str) -> fmt::Result {
    write!(
        f,
        "          httpGet:
            path: {path}
            port: {port}
"
    )
}

fn docker(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    f.write_str("\nDocker (kills after 10 s unless told otherwise):\n\n  docker stop -t ")?;
    match budget.on_deadline() {
        OnDeadline::ForceClose => write!(f, "{}", whole_seconds(budget.total() + RESERVE))?,
        // No limit, for a stop that has none.
        OnDeadline::KeepWaiting => f.write_str("-1")?,
    }
    f.write_str(" CONTAINER\n")
}

fn systemd(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    f.write_str("\nsystemd (exit code 10 says that work was cut, which is no failed stop):\n\n")?;
    f.write_str("  [Service]\n  TimeoutStopSec=")?;
    match budget.on_deadline() {
        OnDeadline::ForceClose => write!(f, "{}", whole_seconds(budget.total() + RESERVE))?,
        OnDeadline::KeepWaiting => f.write_str("infinity")?,
    }
    f.write_str("\n  SuccessExitStatus=10\n")
}

/// Something has to wait until the balancer has noticed; twice is once too often.
fn balancer(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    let (lame_duck, pre_stop) = (budget.lame_duck(), budget.pre_stop());
    match (lame_duck.is_zero(), pre_stop.is_zero()) {
        (true, true) => f.write_str(
            "\n- lame_duck is 0 s: a balancer needs time to notice that this server is not ready, and\n  \
             what it sends until then is refused. Set a lame_duck (usually 5 s) or, in Kubernetes, a\n  \
             preStop.sleep and a pre_stop of the same length; not both.",
        ),
        (false, true) => write!(
            f,
            "\n- The lame duck of {} is the time in which a balancer notices: no preStop hook is\n  \
             needed beside it.",
            Amount(lame_duck)
        ),
        (true, false) => f.write_str(
            "\n- preStop.sleep is the time in which a balancer notices, but only a deletion by Kubernetes\n  \
             waits for it: Docker and systemd do not, and neither does a stop from within. A\n  \
             lame_duck in its place covers all of them.",
        ),
        (false, false) => write!(
            f,
            "\n- pre_stop and lame_duck both wait for the balancer to notice, {} together. One is\n  \
             enough, and the lame duck also covers stops that Kubernetes did not begin.",
            Amount(pre_stop + lame_duck)
        ),
    }
}

fn held(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    let held = budget.lame_duck_readiness() == LameDuckReadiness::Held;
    if held && !budget.lame_duck().is_zero() {
        return f.write_str(
            "\n- lame_duck_readiness is Held: in the lame duck only a balancer that looks for terminating\n  \
             pods, or for `Connection: close` and GOAWAY, sends its requests elsewhere.",
        );
    }
    f.write_str(
        "\n- lame_duck_readiness = Held is right behind externalTrafficPolicy: Local, where a node's\n  \
         last pod gets traffic in its lame duck only while it is ready",
    )?;
    if budget.lame_duck().is_zero() {
        f.write_str("; it needs a lame duck")?;
    }
    f.write_str(".")
}

/// The service's listener closes when the drain begins, and the kubelet keeps asking unless it
/// deleted the pod itself.
fn liveness(f: &mut fmt::Formatter<'_>, budget: &Budget, ports: Ports) -> fmt::Result {
    let asked = match ports.probes {
        Probes::Http => "/livez is unanswered on the service's port",
        Probes::Grpc => "nobody can connect to the service's port",
        Probes::Nothing => return Ok(()),
    };
    if ports.admin.is_some() {
        return Ok(());
    }
    let patience = PROBE_PERIOD * (PROBE_FAILURES - 1);
    let unanswered = budget.total() - budget.lame_duck();
    let limit = match budget.on_deadline() {
        OnDeadline::ForceClose if unanswered <= patience => return Ok(()),
        OnDeadline::ForceClose => format!("for up to {}", Amount(unanswered)),
        OnDeadline::KeepWaiting => String::from("without limit"),
    };
    write!(
        f,
        "\n- From the drain on {asked}, {limit}. In a stop that\n  \
         Kubernetes did not begin, the kubelet takes this for a dead server after {}: an admin\n  \
         listener answers until the end.",
        Amount(patience)
    )
}

fn wait_without_end(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    if budget.on_deadline() == OnDeadline::ForceClose {
        return Ok(());
    }
    write!(
        f,
        "\n- KeepWaiting has no end, but a pod's grace period has: SIGKILL comes before the hooks are\n  \
         through if work takes longer than {} to finish. Raise it to the longest work.",
        Amount(budget.drain_timeout())
    )
}

/// What is legal, and seldom meant.
fn short(f: &mut fmt::Formatter<'_>, budget: &Budget) -> fmt::Result {
    let drain = budget.drain_timeout();
    let cuts = budget.on_deadline() == OnDeadline::ForceClose;
    if cuts && drain < Duration::from_secs(1) {
        write!(
            f,
            "\n- drain_timeout is {}: work that takes longer is cut at every stop.",
            Amount(drain)
        )?;
    }
    if budget.hooks_timeout().is_zero() {
        f.write_str("\n- hooks_timeout is 0 s: a server with hooks refuses to start.")?;
    }
    if budget.margin().is_zero() {
        f.write_str(
            "\n- margin is 0 s: nobody waits for what was cut, aborted or disposed of, and the report\n  \
             may name it as stuck.",
        )?;
    }
    Ok(())
}
