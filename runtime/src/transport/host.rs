//! Whether an HTTP/1.1 request says for whom it is (floor 2).
//!
//! A request without a `Host`, with two, or with one that is no host, is taken for one site by a proxy and
//! for another by who stands behind it; so whoever gets one has to answer 400 (RFC 9112, 3.2).
//!
//! **Invariant:** nobody is told here whose site this is: every host that could be one is welcome.

use http::header::HOST;
use http::{Request, Version};

/// Whether this request has to be refused. HTTP/1.0 knows no `Host`, and HTTP/2 tells it elsewhere.
#[inline]
pub(super) fn is_missing_or_ambiguous<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_11 {
        return false;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    // An empty one is that of a target without an authority.
    !matches!((first, second), (Some(host), None) if host.as_bytes().iter().all(is_of_host))
}

/// Whether a name, an address or a port can have this byte (RFC 3986, 3.2.2: unreserved, percent-encoded,
/// sub-delims, and what is around an IPv6 address and before a port).
const fn is_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b':'
                | b'['
                | b']'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Version, hosts: &[&str]) -> bool {
        let mut request = Request::builder().version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        is_missing_or_ambiguous(&request.body(()).unwrap())
    }

    #[test]
    fn one_host_has_to_be_there_and_may_be_any() {
        for host in [
            "localhost",
            "a.example:8080",
            "[::1]:5000",
            "",
            "x_y",
            "a%20b",
        ] {
            assert!(!refused(Version::HTTP_11, &[host]), "{host}");
        }
        for host in ["a b", "a/b", "user@a", "a\\b", "a?b", "\"a\"", "a#"] {
            assert!(refused(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(refused(Version::HTTP_11, &[]));
        assert!(refused(Version::HTTP_11, &["a", "b"]));
        assert!(refused(Version::HTTP_11, &["a", "a"]));
    }

    #[test]
    fn other_versions_of_http_are_not_asked_for_it() {
        assert!(!refused(Version::HTTP_10, &[]));
        assert!(!refused(Version::HTTP_2, &[]));
    }
}
