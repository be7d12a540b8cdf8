//! Whether a request wants its connection for something else than HTTP (floor 2).
//!
//! A client may offer that with any request, and goes on in HTTP where the server makes nothing of it (RFC
//! 9110, 7.8). There are those that do so with the first request of each connection, whatever it is for:
//! Java's client and `curl --http2` offer `h2c`, which no server has to know any more (RFC 9113, 3.1).
//! What no application can take up is no wish that could be refused.
//!
//! **Invariant:** no request is taken for one that wants to leave HTTP because of a version of it, or TLS,
//! that it offers beside.

use http::header::{CONNECTION, HeaderName, UPGRADE};
use http::{Method, Request, Version};

/// Whether this request asks for a tunnel, or for a protocol that an application could speak.
#[inline]
pub(super) fn is_asked_for<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT
        || (request.headers().contains_key(UPGRADE) && names_one(request))
}

#[cold]
fn names_one<B>(request: &Request<B>) -> bool {
    // HTTP/1.0 has no upgrade, HTTP/2 no such header, and without the option it was meant for the hop
    // before.
    request.version() == Version::HTTP_11
        && listed(request, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
        && listed(request, &UPGRADE).any(is_of_application)
}

/// What stands in a header that is a list, in all of its lines.
fn listed<'a, B>(request: &'a Request<B>, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = request.headers().get_all(name).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Not another version of HTTP, and not TLS on the same connection (RFC 2817).
fn is_of_application(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    !(name.is_empty() || is("h2c") || is("HTTP") || is("TLS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(version: Version, options: &[&str], protocols: &[&str]) -> bool {
        let mut request = Request::builder().version(version);
        for option in options {
            request = request.header(CONNECTION, *option);
        }
        for protocol in protocols {
            request = request.header(UPGRADE, *protocol);
        }
        is_asked_for(&request.body(()).unwrap())
    }

    #[test]
    fn a_protocol_that_an_application_could_speak_is_asked_for() {
        for protocols in [
            &["websocket"][..],
            &["WebSocket"],
            &["h2c, websocket"],
            &["h2c", "IRC/6.9"],
            &["h2"],
        ] {
            let asks = asks(Version::HTTP_11, &["keep-alive, Upgrade"], protocols);
            assert!(asks, "{protocols:?}");
        }
    }

    #[test]
    fn what_is_offered_beside_a_request_and_no_application_can_take_is_not_asked_for() {
        for protocols in [
            &["h2c"][..],
            &["H2C"],
            &["TLS/1.0, HTTP/1.1"],
            &["HTTP/2.0", "h2c"],
            &[""],
            &[],
        ] {
            let asks = asks(Version::HTTP_11, &["Upgrade, HTTP2-Settings"], protocols);
            assert!(!asks, "{protocols:?}");
        }
    }

    #[test]
    fn an_upgrade_without_its_option_or_by_http_1_0_is_ignored() {
        assert!(!asks(Version::HTTP_10, &["upgrade"], &["websocket"]));
        assert!(!asks(Version::HTTP_11, &["keep-alive"], &["websocket"]));
        assert!(asks(Version::HTTP_11, &["x", "upgrade"], &["websocket"]));
    }

    #[test]
    fn a_tunnel_is_asked_for_by_its_method_in_every_version() {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let request = Request::connect("test:80").version(version);
            assert!(is_asked_for(&request.body(()).unwrap()), "{version:?}");
        }
    }
}
