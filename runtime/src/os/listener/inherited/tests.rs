//! What the variables say, and what is handed out.

use super::*;

fn variables(fds: Option<&str>, pid: Option<&str>, names: Option<&str>) -> Variables {
    Variables {
        fds: fds.map(str::to_owned),
        pid: pid.map(str::to_owned),
        names: names.map(str::to_owned),
    }
}

#[test]
fn descriptors_have_the_names_that_they_were_given() {
    for (given, expected) in [
        (variables(None, None, None), vec![]),
        (variables(Some("0"), Some("7"), None), vec![]),
        (
            variables(Some("2"), Some("7"), Some("web:admin")),
            vec!["web", "admin"],
        ),
        (
            variables(Some("2"), Some("7"), Some("web:web")),
            vec!["web", "web"],
        ),
        (variables(Some("2"), None, Some(":b")), vec!["", "b"]),
        (
            variables(Some("2"), Some("7"), None),
            vec!["unknown", "unknown"],
        ),
        // Meant for another process, as for the parent of this one.
        (variables(Some("2"), Some("8"), Some("web:admin")), vec![]),
        (variables(Some("2"), Some("banana"), None), vec![]),
    ] {
        assert_eq!(given.names(7).unwrap(), expected, "{given:?}");
    }
}

#[test]
fn variables_that_make_no_sense_are_named_with_what_is_allowed() {
    for (fds, names, words) in [
        ("two", None, ["LISTEN_FDS", "\"two\"", "0 to 1024"]),
        ("-1", None, ["LISTEN_FDS", "\"-1\"", "0 to 1024"]),
        ("", None, ["LISTEN_FDS", "\"\"", "0 to 1024"]),
        ("1025", None, ["LISTEN_FDS", "\"1025\"", "0 to 1024"]),
        ("2", Some("web"), ["LISTEN_FDNAMES", "\"web\"", "2 names"]),
        ("1", Some("a:b"), ["LISTEN_FDNAMES", "\"a:b\"", "1 names"]),
    ] {
        let error = variables(Some(fds), None, names).names(7).unwrap_err();
        let message = error.to_string();
        for word in words {
            assert!(message.contains(word), "{message}");
        }
    }
}

fn rows(names: &[&str]) -> Vec<Row> {
    let row = |name: &&str| Row {
        name: (*name).to_owned(),
        socket: Socket::There(Inherited::Tcp(TcpListener::bind("127.0.0.1:0").unwrap())),
    };
    names.iter().map(row).collect()
}

#[test]
fn listeners_of_one_name_are_handed_out_in_their_order_and_once() {
    let mut rows = rows(&["web", "admin", "web"]);
    for place in [0, 2] {
        let found: *const Row = find(&mut rows, "web").unwrap();
        assert!(std::ptr::eq(found, &raw const rows[place]));
        rows[place].socket = Socket::Taken;
    }
    let taken = find(&mut rows, "web").unwrap_err().to_string();
    assert!(taken.contains("\"web\" is in use already"), "{taken}");
    find(&mut rows, "admin").unwrap();
}

#[test]
fn a_name_that_nobody_has_is_refused_with_those_there_are() {
    let missing = find(&mut rows(&["web", "admin"]), "metrics").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "no inherited listener is named \"metrics\"; those there are: \"web\", \"admin\""
    );
    let none = find(&mut [], "web").unwrap_err().to_string();
    assert!(none.contains("LISTEN_FDS is not set"), "{none}");
}

#[test]
fn what_is_no_listener_is_refused_with_what_it_is() {
    let mut rows = rows(&["web"]);
    rows[0].socket = Socket::Unusable("it does not listen".to_owned());
    let error = find(&mut rows, "web").unwrap_err().to_string();
    assert!(
        error.contains("\"web\" is not usable: it does not listen"),
        "{error}"
    );
}
