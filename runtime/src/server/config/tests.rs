//! Every variable with every kind of value, each message compared as a whole (floor 3).
//!
//! **Invariant:** the environment of the test process is neither read for a verdict nor written.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lamplighter_lifecycle::Plan;

use super::{Config, ConfigError, Variables};

const ALLOWED_PORT: &str = "0 to 65535 in decimal digits";
const ALLOWED_LISTEN: &str = "an IP address, localhost, or unix: and a path; a port goes into PORT";
const ALLOWED_MS: &str = "0 to 2592000000 milliseconds in decimal digits";
const ALLOWED_GRACE: &str = "1 to 2592000000 milliseconds in decimal digits";

const PLAN: [&str; 3] = [
    "LAME_DUCK_MS",
    "GRACEFUL_SHUTDOWN_TIMEOUT_MS",
    "GRACE_PERIOD_MS",
];
const OURS: [(&str, &str, &str); 5] = [
    ("PORT", "80", ALLOWED_PORT),
    ("LISTEN", "::1", ALLOWED_LISTEN),
    ("LAME_DUCK_MS", "0", ALLOWED_MS),
    ("GRACEFUL_SHUTDOWN_TIMEOUT_MS", "0", ALLOWED_MS),
    ("GRACE_PERIOD_MS", "1", ALLOWED_GRACE),
];

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the reader says about one bad value, or that it found nothing wrong.
fn refusal(variable: &str, value: impl Into<OsString>) -> String {
    Config::from_vars([(variable, value)])
        .map_or_else(|error| error.to_string(), |_| String::from("it is allowed"))
}

fn pod(variables: &[(&str, &str)]) -> Config {
    let kubelet = [("KUBERNETES_SERVICE_HOST", "10.96.0.1")];
    Config::from_vars(kubelet.into_iter().chain(variables.iter().copied())).unwrap()
}

// ---- what is allowed ----------------------------------------------------------------------------

#[test]
fn an_environment_that_says_nothing_gives_the_defaults() {
    let config = Config::from_vars([("PATH", "/bin"), ("port", "1"), ("PORT ", "2")]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.address().to_string(), "0.0.0.0:5000");
    assert_eq!(config.plan(), Plan::new());
    assert!(!config.took_kubernetes_defaults());
    for (variable, _, _) in OURS {
        assert!(!config.is_set(variable), "{variable}");
    }
}

#[test]
fn every_decimal_port_is_taken_as_it_stands() {
    for (text, port) in [("0", 0), ("1", 1), ("080", 80), ("65535", u16::MAX)] {
        let config = Config::from_vars([("PORT", text)]).unwrap();
        assert_eq!(config.port(), port, "{text}");
        assert!(config.is_set("PORT"));
    }
}

#[test]
fn every_ip_address_is_taken_and_localhost_without_asking_a_resolver() {
    for (text, address) in [
        ("0.0.0.0", IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        ("localhost", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ("192.0.2.7", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        ("::", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        ("::1", IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ("[::1]", IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ("[::]", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    ] {
        let config = Config::from_vars([("LISTEN", text)]).unwrap();
        let addr = config.address().tcp().unwrap();
        assert_eq!((addr.ip(), addr.port()), (address, 5000), "{text}");
        assert!(config.is_set("LISTEN"));
    }
    let both = Config::from_vars([("LISTEN", "::1"), ("PORT", "8080")]).unwrap();
    assert_eq!(both.address().to_string(), "[::1]:8080");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_address_without_a_port() {
    let config = Config::from_vars([("LISTEN", "unix:/run/app.sock")]).unwrap();
    assert_eq!(config.address().to_string(), "unix:/run/app.sock");
    assert!(config.is_set("LISTEN") && !config.is_set("PORT"));
    for port in ["80", "0"] {
        let both = Config::from_vars([("LISTEN", "unix:/run/app.sock"), ("PORT", port)]);
        assert_eq!(
            both.unwrap_err().to_string(),
            format!(
                "PORT is {port:?}, allowed is none, since LISTEN is a Unix socket, which has no port"
            )
        );
    }
    // What is wrong with a path is told as such: its first bytes alone look like any other.
    let bytes = if cfg!(target_os = "linux") { 107 } else { 103 };
    let allowed = format!("allowed is unix: and a path of 1 to {bytes} bytes");
    for bad in ["unix:".into(), format!("unix:/{}", "a".repeat(200))] {
        let refusal = refusal("LISTEN", bad.as_str());
        assert!(refusal.ends_with(&allowed), "{refusal}");
    }
}

#[test]
fn only_what_is_set_is_set_in_the_plan() {
    let month = "2592000000";
    for (variables, plan) in [
        (vec![("LAME_DUCK_MS", "0")], Plan::new().lame_duck(secs(0))),
        (
            vec![("GRACEFUL_SHUTDOWN_TIMEOUT_MS", "0")],
            Plan::new().drain_timeout(secs(0)),
        ),
        (
            vec![("GRACE_PERIOD_MS", "1")],
            Plan::within(Duration::from_millis(1)),
        ),
        (
            vec![("LAME_DUCK_MS", month)],
            Plan::new().lame_duck(Plan::MAX),
        ),
        (
            vec![("GRACEFUL_SHUTDOWN_TIMEOUT_MS", month)],
            Plan::new().drain_timeout(Plan::MAX),
        ),
        (vec![("GRACE_PERIOD_MS", month)], Plan::within(Plan::MAX)),
        (
            vec![
                ("GRACEFUL_SHUTDOWN_TIMEOUT_MS", "10000"),
                ("GRACE_PERIOD_MS", "30000"),
                ("LAME_DUCK_MS", "5000"),
            ],
            Plan::within(secs(30))
                .lame_duck(secs(5))
                .drain_timeout(secs(10)),
        ),
    ] {
        let config = Config::from_vars(variables.clone()).unwrap();
        assert_eq!(config.plan(), plan, "{variables:?}");
        for variable in PLAN {
            let given = variables.iter().any(|(name, _)| *name == variable);
            assert_eq!(config.is_set(variable), given, "{variables:?} {variable}");
        }
    }
}

#[test]
fn the_variables_with_a_part_in_a_setting_are_named_with_their_values() {
    for (variables, place, plan) in [
        (vec![], "PORT is not set, LISTEN is not set", None),
        (
            vec![("PORT", "80"), ("GRACE_PERIOD_MS", "9000")],
            "PORT is 80, LISTEN is not set",
            Some(
                "GRACE_PERIOD_MS is 9000; hooks_timeout and margin have no variable: they are what the \
                 code sets, or the defaults",
            ),
        ),
        (
            vec![
                ("LISTEN", "::1"),
                ("GRACEFUL_SHUTDOWN_TIMEOUT_MS", "2"),
                ("LAME_DUCK_MS", "1"),
            ],
            "PORT is not set, LISTEN is ::1",
            Some(
                "LAME_DUCK_MS is 1, GRACEFUL_SHUTDOWN_TIMEOUT_MS is 2; hooks_timeout and margin have \
                 no variable: they are what the code sets, or the defaults",
            ),
        ),
        (
            vec![("LISTEN", "unix:/run/app.sock")],
            "LISTEN is unix:/run/app.sock",
            None,
        ),
    ] {
        let config = Config::from_vars(variables).unwrap();
        assert_eq!(config.place_note(), place);
        assert_eq!(config.plan_note().as_deref(), plan);
    }
    // What nobody has set is not told as if somebody had.
    let variables = Variables::from_vars([("GRACE_PERIOD_MS", "9000")])
        .with_default("GRACE_PERIOD_MS", "30000")
        .with_default("LAME_DUCK_MS", "1")
        .with_default("LISTEN", "127.0.0.1");
    let config = Config::read(&variables).unwrap();
    let place = "PORT is not set, LISTEN is 127.0.0.1 by default";
    assert_eq!(config.place_note(), place);
    let plan = "LAME_DUCK_MS is 1 by default, GRACE_PERIOD_MS is 9000; ";
    let note = config.plan_note().unwrap();
    assert!(note.starts_with(plan), "{note}");
}

#[test]
fn of_two_variables_with_one_name_the_first_counts() {
    let config = Config::from_vars([("PORT", "1"), ("PORT", "wrong")]).unwrap();
    assert_eq!(config.port(), 1);
}

#[test]
fn the_environment_of_this_process_reads_like_its_variables() {
    assert_eq!(Config::from_env(), Config::from_vars(std::env::vars_os()));
}

// ---- under Kubernetes ---------------------------------------------------------------------------

#[test]
fn a_pod_that_says_nothing_of_its_plan_gets_a_lame_duck_within_its_grace_period() {
    let config = pod(&[("PORT", "80")]);
    assert!(config.took_kubernetes_defaults());
    assert_eq!(config.plan(), Plan::within(secs(28)).lame_duck(secs(5)));
    let budget = config.plan().budget().unwrap();
    assert_eq!(
        (budget.drain_timeout(), budget.total()),
        (secs(18), secs(28))
    );
    let explained = config.plan().explain().to_string();
    assert!(
        explained.contains("terminationGracePeriodSeconds: 30"),
        "{explained}"
    );
    for variable in PLAN {
        assert!(!config.is_set(variable), "{variable}");
    }
}

#[test]
fn a_pod_that_says_anything_of_its_plan_gets_just_that() {
    for (variable, plan) in [
        ("LAME_DUCK_MS", Plan::new().lame_duck(secs(1))),
        (
            "GRACEFUL_SHUTDOWN_TIMEOUT_MS",
            Plan::new().drain_timeout(secs(1)),
        ),
        ("GRACE_PERIOD_MS", Plan::within(secs(1))),
    ] {
        let config = pod(&[(variable, "1000")]);
        assert!(!config.took_kubernetes_defaults(), "{variable}");
        assert_eq!(config.plan(), plan);
    }
}

#[test]
fn an_empty_service_host_is_no_cluster() {
    let config = Config::from_vars([("KUBERNETES_SERVICE_HOST", "")]).unwrap();
    assert!(!config.took_kubernetes_defaults());
    assert_eq!(config.plan(), Plan::new());
}

// ---- what is refused ----------------------------------------------------------------------------

#[test]
fn every_bad_port_is_refused_with_what_is_allowed() {
    for (value, shown) in [
        ("80.5", r#""80.5""#),
        ("0x1F90", r#""0x1F90""#),
        ("1e3", r#""1e3""#),
        ("+80", r#""+80""#),
        ("-1", r#""-1""#),
        ("-0", r#""-0""#),
        (" 80", r#"" 80""#),
        ("80 ", r#""80 ""#),
        ("80\n", r#""80\n""#),
        (" ", r#"" ""#),
        ("65536", r#""65536""#),
        ("99999999999999999999", r#""99999999999999999999""#),
        ("8_080", r#""8_080""#),
        ("8,080", r#""8,080""#),
        (":80", r#"":80""#),
        ("٨٠", r#""٨٠""#),
        ("http", r#""http""#),
        ("tcp://10.0.0.1:80", r#""tcp://10.0.0.1:80""#),
        ("\"80\"", r#""\"80\"""#),
    ] {
        assert_eq!(
            refusal("PORT", value),
            format!("PORT is {shown}, allowed is {ALLOWED_PORT}"),
        );
    }
}

#[test]
fn every_bad_address_is_refused_with_what_is_allowed() {
    for value in [
        "*",
        "Localhost",
        "example.org",
        "0.0.0.0:80",
        "127.1",
        "127.0.0.01",
        "256.0.0.1",
        "[::1",
        "::1]",
        "[127.0.0.1]",
        "[::1]:80",
        "fe80::1%eth0",
        "10.0.0.0/8",
        " ::1",
        "::1 ",
        "/run/lamplighter.sock",
    ] {
        assert_eq!(
            refusal("LISTEN", value),
            format!("LISTEN is {value:?}, allowed is {ALLOWED_LISTEN}"),
        );
    }
}

#[test]
fn every_bad_duration_is_refused_with_what_is_allowed() {
    for (variable, _, allowed) in OURS.into_iter().filter(|ours| PLAN.contains(&ours.0)) {
        for value in [
            "5s",
            "5000ms",
            "5.0",
            "1e3",
            "0x10",
            "+5",
            "-5",
            "5 000",
            " 5",
            "5 ",
            "2592000001",
            "18446744073709551616",
            "Infinity",
            "NaN",
            "none",
        ] {
            assert_eq!(
                refusal(variable, value),
                format!("{variable} is {value:?}, allowed is {allowed}"),
            );
        }
    }
    assert_eq!(
        refusal("GRACE_PERIOD_MS", "0"),
        format!(r#"GRACE_PERIOD_MS is "0", allowed is {ALLOWED_GRACE}"#),
    );
}

#[test]
fn an_empty_variable_is_refused_instead_of_taken_for_zero_or_unset() {
    for (variable, _, allowed) in OURS {
        assert_eq!(
            refusal(variable, ""),
            format!("{variable} is empty, allowed is {allowed}, or not to set it"),
        );
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused_with_what_can_be_read_of_it() {
    use std::os::unix::ffi::OsStringExt;

    for (variable, fine, allowed) in OURS {
        let mut bytes = fine.as_bytes().to_vec();
        bytes.push(0xff);
        assert_eq!(
            refusal(variable, OsString::from_vec(bytes)),
            format!("{variable} is \"{fine}\u{fffd}\", which is not UTF-8, allowed is {allowed}"),
        );
    }
}

#[test]
fn every_bad_variable_is_named_in_the_order_of_the_table() {
    let mut bad = OURS.map(|(variable, _, _)| (variable, "?"));
    bad.reverse();
    for fixed in 0..bad.len() {
        let bad = &bad[..bad.len() - fixed];
        let error = Config::from_vars(bad.iter().copied()).unwrap_err();
        let text = error.to_string();
        let refused = if let ConfigError::Several(refused) = &error {
            refused.clone()
        } else {
            vec![error.clone()]
        };
        let named: Vec<String> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(text, named.join("; "));
        let expected: Vec<&str> = bad.iter().rev().map(|(variable, _)| *variable).collect();
        let named: Vec<&str> = named
            .iter()
            .filter_map(|text| text.split(' ').next())
            .collect();
        assert_eq!(named, expected);
    }
    // A port that is none is not also one too many.
    let both = Config::from_vars([("PORT", "x"), ("LISTEN", "unix:/a")]);
    assert!(matches!(both, Err(ConfigError::NotAllowed { .. })));
}

#[test]
fn of_a_long_value_only_the_beginning_is_shown() {
    let eighty = "é".repeat(80);
    assert_eq!(
        refusal("PORT", &eighty),
        format!("PORT is \"{eighty}\", allowed is {ALLOWED_PORT}"),
    );
    assert_eq!(
        refusal("PORT", format!("{eighty}\n-----")),
        format!("PORT is \"{eighty}\"… (166 bytes), allowed is {ALLOWED_PORT}"),
    );
}
