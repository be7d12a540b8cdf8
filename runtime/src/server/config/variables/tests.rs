//! A program's own variables: the same rules, its defaults, its secrets (floor 3).
//!
//! **Invariant:** the environment of the test process is not read.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Variables;
use crate::os::listener::Addr;
use crate::server::config::{Config, ConfigError};

#[test]
fn a_programs_own_variables_follow_the_same_rules() {
    let variables = Variables::from_vars([
        ("START_DELAY_MS", "250"),
        ("SLOW_MS", "2592000001"),
        ("LOG_LEVEL", "INFO"),
        ("LOG_FORMAT", "json"),
        ("WORKERS", "4"),
        ("TOO_MANY", "65"),
        ("NAME", " padded "),
        ("NOTHING", ""),
    ]);
    let delay = Some(Duration::from_millis(250));
    assert_eq!(variables.millis("START_DELAY_MS"), Ok(delay));
    assert_eq!(
        variables.one_of("LOG_FORMAT", &["json", "text"]),
        Ok(Some("json"))
    );
    assert_eq!(variables.number("WORKERS", 1..=64), Ok(Some(4)));
    assert_eq!(variables.text("NAME"), Ok(Some(" padded ")));
    assert_eq!(variables.millis("UNSET"), Ok(None));
    assert_eq!(variables.one_of("UNSET", &[]), Ok(None));
    assert_eq!(variables.number("UNSET", 1..=64), Ok(None));
    assert_eq!(variables.text("UNSET"), Ok(None));

    for (error, message) in [
        (
            variables.millis("SLOW_MS").unwrap_err(),
            r#"SLOW_MS is "2592000001", allowed is 0 to 2592000000 milliseconds in decimal digits"#,
        ),
        (
            variables
                .one_of("LOG_LEVEL", &["info", "warn"])
                .unwrap_err(),
            r#"LOG_LEVEL is "INFO", allowed is one of info, warn"#,
        ),
        (
            variables.number("TOO_MANY", 1..=64).unwrap_err(),
            r#"TOO_MANY is "65", allowed is 1 to 64 in decimal digits"#,
        ),
        (
            variables.text("NOTHING").unwrap_err(),
            "NOTHING is empty, allowed is any text, or not to set it",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_default_stands_in_for_an_unset_variable_only() {
    let with_defaults = |variables: &[(&str, &str)]| {
        let variables = Variables::from_vars(variables.iter().copied());
        Config::read(&variables.with_default("LISTEN", "127.0.0.1")).map(|read| read.address())
    };
    let on = |ip: Ipv4Addr| Ok(Addr::Tcp((ip, 5000).into()));
    assert_eq!(with_defaults(&[]), on(Ipv4Addr::LOCALHOST));
    let any = with_defaults(&[("LISTEN", "0.0.0.0")]);
    assert_eq!(any, on(Ipv4Addr::UNSPECIFIED));
    assert!(matches!(
        with_defaults(&[("LISTEN", "")]),
        Err(ConfigError::Empty { .. })
    ));
}

#[test]
fn a_secret_is_in_no_error_and_no_debug_output() {
    let variables = Variables::from_vars([("TOKEN", "hunter2"), ("PORT", "hunter3")])
        .secret("TOKEN")
        .secret("PORT");
    assert_eq!(variables.text("TOKEN"), Ok(Some("hunter2")));
    assert_eq!(format!("{variables:?}"), r#"{"PORT", "TOKEN"}"#);
    let own = variables.number("TOKEN", 0..=9).unwrap_err();
    assert_eq!(
        own.to_string(),
        "TOKEN is a secret that is not shown, allowed is 0 to 9 in decimal digits",
    );
    let ours = Config::read(&variables).unwrap_err();
    assert_eq!(
        ours.to_string(),
        "PORT is a secret that is not shown, allowed is 0 to 65535 in decimal digits",
    );
    assert!(!format!("{own:?}{ours:?}").contains("hunter"));
}

#[cfg(unix)]
#[test]
fn a_secret_that_is_not_text_is_not_shown_either() {
    use std::os::unix::ffi::OsStringExt;

    let value = OsString::from_vec(b"hunter2\xff".to_vec());
    let variables = Variables::from_vars([("TOKEN", value)]).secret("TOKEN");
    let error = variables.text("TOKEN").unwrap_err();
    assert_eq!(
        error.to_string(),
        "TOKEN is a secret that is not shown, which is not UTF-8, allowed is any text",
    );
    assert!(!format!("{error:?}").contains("hunter"));
}
