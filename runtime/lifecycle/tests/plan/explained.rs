//! What a plan prints about itself (floor 0).
//!
//! **Invariant:** no snapshot is left behind by a scenario that is gone.

use lamplighter_lifecycle::{LameDuckReadiness, OnDeadline, Plan, Probes, WhileDraining};

use super::{NANOSECOND, ZERO, millis, secs};

#[test]
fn advice_on_the_balancer_follows_from_lame_duck_and_pre_stop() {
    let explained = |plan: Plan| plan.explain().to_string();
    let neither = explained(Plan::new());
    assert!(neither.contains("- lame_duck is 0 s: a balancer needs time"));
    assert!(!neither.contains("preStop:"));
    let lame_duck = explained(Plan::new().lame_duck(secs(5)));
    assert!(lame_duck.contains("- The lame duck of 5 s is the time"));
    assert!(!lame_duck.contains("preStop:"));
    let pre_stop = explained(Plan::new().pre_stop(millis(4_200)));
    assert!(pre_stop.contains("- preStop.sleep is the time"));
    assert!(pre_stop.contains("            sleep:\n              seconds: 5\n"));
    let both = explained(Plan::new().lame_duck(secs(5)).pre_stop(secs(5)));
    assert!(both.contains("- pre_stop and lame_duck both wait for the balancer to notice, 10 s"));
}

#[test]
fn liveness_gets_a_warning_only_where_the_kubelet_would_lose_patience() {
    let warning = "- From the drain on /livez is unanswered";
    let stop = |drain| Plan::new().drain_timeout(drain).lame_duck(secs(60));
    assert!(!stop(secs(15)).explain().to_string().contains(warning));
    let long = stop(secs(15) + NANOSECOND).explain().to_string();
    assert!(long.contains(warning));
    let waiting = stop(ZERO).on_deadline(OnDeadline::KeepWaiting);
    assert!(waiting.explain().to_string().contains(warning));
}

#[test]
fn probes_are_told_to_ask_the_admin_listener_if_there_is_one() {
    let plan = Plan::new().drain_timeout(secs(600));
    let without = plan.explain().port(8080).to_string();
    assert!(without.contains("- name: http\n            containerPort: 8080\n"));
    assert!(without.contains("If there is an admin listener"));
    assert!(without.contains("/livez is unanswered"));
    assert_eq!(without.matches("port: http").count(), 2);
    let with = plan.explain().port(8080).admin_port(9090).to_string();
    assert!(with.contains(
        "containerPort: 8080\n          - name: admin\n            containerPort: 9090\n"
    ));
    assert_eq!(with.matches("port: admin").count(), 2);
    assert!(!with.contains("port: http"), "{with}");
    assert!(!with.contains("If there is an admin listener"), "{with}");
    // It is answered there, however long the drain.
    assert!(!with.contains("/livez is unanswered"), "{with}");
}

#[test]
fn probes_ask_what_the_server_has_for_them() {
    let plan = Plan::new().drain_timeout(secs(600));
    let grpc = plan.explain().port(8080).probes(Probes::Grpc).to_string();
    assert!(grpc.contains("readinessProbe:\n          grpc:\n            port: 8080\n"));
    assert!(grpc.contains("          tcpSocket:\n            port: http\n"));
    assert!(grpc.contains("- From the drain on nobody can connect to the service's port"));
    let admin = plan.explain().admin_port(9090).probes(Probes::Grpc);
    let admin = admin.to_string();
    assert!(admin.contains("          grpc:\n            port: 9090\n"));
    assert!(admin.contains("          tcpSocket:\n            port: admin\n"));
    let nothing = plan.explain().probes(Probes::Nothing).to_string();
    assert!(nothing.contains("        # No probes: this server answers none."));
    assert!(!nothing.contains("From the drain on"));
    for text in [grpc, admin, nothing] {
        assert!(
            !text.contains("httpGet") && !text.contains("livez"),
            "{text}"
        );
    }
}

#[test]
fn settings_that_are_seldom_meant_are_pointed_out() {
    let odd = Plan::new()
        .drain_timeout(millis(999))
        .hooks_timeout(ZERO)
        .margin(ZERO);
    let text = odd.explain().to_string();
    assert!(text.contains("- drain_timeout is 999 ms: work that takes longer is cut"));
    assert!(text.contains("- hooks_timeout is 0 s: a server with hooks refuses to start"));
    assert!(text.contains("- margin is 0 s: nobody waits"));
    let usual = Plan::new().drain_timeout(secs(1)).explain().to_string();
    for note in ["- drain_timeout is", "- hooks_timeout is", "- margin is"] {
        assert!(!usual.contains(note), "{note}");
    }
    let waiting = odd
        .on_deadline(OnDeadline::KeepWaiting)
        .explain()
        .to_string();
    assert!(!waiting.contains("- drain_timeout is"));
}

const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../snapshots");

fn scenarios() -> [(&'static str, Plan); 8] {
    [
        ("default", Plan::new()),
        ("kubernetes", Plan::within(secs(30)).lame_duck(secs(5))),
        (
            "held_readiness",
            Plan::within(secs(30))
                .lame_duck(secs(5))
                .lame_duck_readiness(LameDuckReadiness::Held),
        ),
        (
            "keep_waiting",
            Plan::new().on_deadline(OnDeadline::KeepWaiting),
        ),
        ("zero_drain", Plan::new().drain_timeout(ZERO)),
        (
            "over_budget",
            Plan::within(secs(30))
                .lame_duck(secs(5))
                .drain_timeout(secs(30)),
        ),
        (
            "spread_and_pre_stop",
            Plan::within(secs(60))
                .drain_spread(secs(20))
                .pre_stop(millis(2_500)),
        ),
        (
            "rejecting_below_its_grace_period",
            Plan::within(secs(60))
                .drain_timeout(secs(10))
                .while_draining(WhileDraining::Reject),
        ),
    ]
}

#[test]
fn each_scenario_is_explained_as_its_snapshot_says() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (scenario, plan) in scenarios() {
            let text = plan.explain().to_string();
            insta::assert_snapshot!(format!("plan__{scenario}"), text);
        }
    });
}

#[test]
fn every_snapshot_of_a_plan_belongs_to_a_scenario() {
    let mut expected: Vec<String> = scenarios()
        .iter()
        .map(|(scenario, _)| format!("plan__{scenario}.snap"))
        .collect();
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(SNAPSHOTS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("plan__") && name.ends_with(".snap"))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}
