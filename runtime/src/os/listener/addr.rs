//! Addresses, and reading them from text (floor 1).
//!
//! **Invariant:** no name is looked up: what a text means depends on the text alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a listener listens, or where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket; clients' mostly have no path. A path that begins with a NUL byte is a name
    /// in Linux's abstract namespace (`unix(7)`), written `unix:@name`.
    Unix(Option<PathBuf>),
    /// A name that only its network understands, as in simulations.
    Named(String),
}

impl Addr {
    /// The IP address and port, if it has them.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(addr) => Some(*addr),
            Self::Unix(_) | Self::Named(_) => None,
        }
    }

    /// Whether it is a file: a Unix socket with a path.
    pub(super) fn is_file(&self) -> bool {
        let Self::Unix(Some(path)) = self else {
            return false;
        };
        !path.as_os_str().as_encoded_bytes().starts_with(&[0])
    }

    /// The port, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.tcp().map(|addr| addr.port())
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(Some(path)) => {
                match path.to_str().and_then(|path| path.strip_prefix('\0')) {
                    Some(name) => write!(f, "unix:@{name}"),
                    None => write!(f, "unix:{}", path.display()),
                }
            }
            Self::Unix(None) => f.write_str("unix:unnamed"),
            Self::Named(name) => f.pad(name),
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

/// Reads `5000` (all IPv4 addresses of the machine), `127.0.0.1:5000`, `[::1]:5000`,
/// `localhost:5000` (which is `127.0.0.1:5000`), `unix:/run/app.sock`, and on Linux `unix:@app` for a
/// name in the abstract namespace.
impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let parsed = match text.strip_prefix("unix:") {
            Some(path) => unix(Path::new(path)),
            None => parse(text).map(Self::Tcp),
        };
        parsed.map_err(|problem| AddrError {
            text: text.to_owned(),
            problem,
        })
    }
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address to listen on: {problem}; allowed are a port (5000), an IPv4 address \
     and a port (127.0.0.1:5000), an IPv6 address in brackets and a port ([::1]:5000), \
     localhost and a port (localhost:5000), and unix: and a path (unix:/run/app.sock)"
)]
pub struct AddrError {
    text: String,
    problem: Problem,
}

impl AddrError {
    /// Which paths of Unix sockets there are, in words.
    #[cfg(feature = "config")]
    pub(crate) fn allowed_path() -> String {
        format!("unix: and a path of 1 to {MOST_PATH_BYTES} bytes")
    }

    /// The address of the Unix socket at `path`, if there can be one.
    pub(super) fn check_path(path: &Path) -> Result<Addr, Self> {
        unix(path).map_err(|problem| Self {
            text: format!("unix:{}", path.display()),
            problem,
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("it is empty")]
    Empty,
    #[error("the host is missing")]
    NoHost,
    #[error("the port is missing")]
    NoPort,
    #[error("the port {0:?} is not a number from 0 to 65535")]
    Port(String),
    #[error("{0:?} is not an IPv4 address")]
    Ipv4(String),
    #[error("{0:?} is not an IPv6 address")]
    Ipv6(String),
    #[error("an address has no scheme: leave out what ends in ://")]
    Scheme,
    #[error("an IPv6 address needs brackets")]
    Brackets,
    #[error("{0:?} is a name, and names are not looked up")]
    Name(String),
    #[error("the path is missing")]
    NoPath,
    #[error("the path has {0} bytes, and a socket's has at most {MOST_PATH_BYTES}")]
    LongPath(usize),
    #[error("the path has a NUL byte in it")]
    Nul,
    #[cfg(not(unix))]
    #[error("this system has no such sockets")]
    NoUnix,
}

/// What fits into a socket's address with the NUL byte that ends it: 108 on Linux, 104 on the BSDs
/// and macOS.
const MOST_PATH_BYTES: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// Reads the path of a Unix socket; `@name` is a name in the abstract namespace, as `ss` and systemd
/// write it.
fn unix(path: &Path) -> Result<Addr, Problem> {
    #[cfg(not(unix))]
    return Err(Problem::NoUnix);
    #[cfg(unix)]
    {
        let bytes = path.as_os_str().as_encoded_bytes();
        let abstracts = cfg!(any(target_os = "linux", target_os = "android"));
        match bytes {
            [] | [b'@'] => return Err(Problem::NoPath),
            _ if bytes.contains(&0) => return Err(Problem::Nul),
            _ if bytes.len() > MOST_PATH_BYTES => return Err(Problem::LongPath(bytes.len())),
            _ => {}
        }
        let name = path.to_str().and_then(|path| path.strip_prefix('@'));
        Ok(Addr::Unix(Some(match name {
            Some(name) if abstracts => PathBuf::from(format!("\0{name}")),
            _ => path.to_owned(),
        })))
    }
}

fn parse(text: &str) -> Result<SocketAddr, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    // Also knows scopes ([fe80::1%2]:5000).
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Problem::Brackets);
    }
    if text.contains("://") {
        return Err(Problem::Scheme);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return match text {
            "localhost" => Err(Problem::NoPort),
            _ if text.parse::<IpAddr>().is_ok() => Err(Problem::NoPort),
            _ if text.starts_with('[') => Err(Problem::NoPort),
            _ => parse_port(text).map(|port| (Ipv4Addr::UNSPECIFIED, port).into()),
        };
    };
    if let Some(rest) = host.strip_prefix('[') {
        let Some(inner) = rest.strip_suffix(']') else {
            // The colon was one of the address's own.
            return Err(if text.ends_with(']') {
                Problem::NoPort
            } else {
                Problem::Ipv6(host.to_owned())
            });
        };
        let ip: Ipv6Addr = inner.parse().map_err(|_| Problem::Ipv6(inner.to_owned()))?;
        return Ok((ip, parse_port(port)?).into());
    }
    if host.contains(':') {
        return Err(Problem::Brackets);
    }
    let ip = match host {
        "" => return Err(Problem::NoHost),
        "localhost" => Ipv4Addr::LOCALHOST,
        _ => host.parse().map_err(|_| {
            let digits = host.chars().all(|c| c.is_ascii_digit() || c == '.');
            if digits {
                Problem::Ipv4(host.to_owned())
            } else {
                Problem::Name(host.to_owned())
            }
        })?,
    };
    Ok((ip, parse_port(port)?).into())
}

fn parse_port(port: &str) -> Result<u16, Problem> {
    // The standard library would take "+80".
    if port.is_empty() {
        Err(Problem::NoPort)
    } else if port.bytes().all(|byte| byte.is_ascii_digit()) {
        port.parse().map_err(|_| Problem::Port(port.to_owned()))
    } else {
        Err(Problem::Port(port.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_addresses_are_read() {
        for (text, expected) in [
            ("5000", "0.0.0.0:5000"),
            ("0", "0.0.0.0:0"),
            ("65535", "0.0.0.0:65535"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::]:0", "[::]:0"),
            ("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80"),
            ("[fe80::1%2]:80", "[fe80::1%2]:80"),
            #[cfg(unix)]
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            #[cfg(unix)]
            ("unix:app.sock", "unix:app.sock"),
            #[cfg(target_os = "linux")]
            ("unix:@app", "unix:@app"),
        ] {
            assert_eq!(
                text.parse::<Addr>().map(|addr| addr.to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_that_are_none_are_refused_with_the_reason() {
        for (text, problem) in [
            ("", "it is empty"),
            (
                "70000",
                r#"the port "70000" is not a number from 0 to 65535"#,
            ),
            ("-1", r#"the port "-1" is not a number from 0 to 65535"#),
            ("+80", r#"the port "+80" is not a number from 0 to 65535"#),
            (" 80", r#"the port " 80" is not a number from 0 to 65535"#),
            ("http", r#"the port "http" is not a number from 0 to 65535"#),
            ("99999999999999999999", "is not a number from 0 to 65535"),
            (
                "127.0.0.1:70000",
                r#"the port "70000" is not a number from 0 to 65535"#,
            ),
            (
                "localhost:-1",
                r#"the port "-1" is not a number from 0 to 65535"#,
            ),
            (
                "[::1]:65536",
                r#"the port "65536" is not a number from 0 to 65535"#,
            ),
            ("127.0.0.1", "the port is missing"),
            ("127.0.0.1:", "the port is missing"),
            ("localhost", "the port is missing"),
            ("[::1]", "the port is missing"),
            ("[::1", r#""[:" is not an IPv6 address"#),
            (":80", "the host is missing"),
            ("::1", "an IPv6 address needs brackets"),
            ("::1:80", "an IPv6 address needs brackets"),
            ("fe80::1%eth0:80", "an IPv6 address needs brackets"),
            ("300.0.0.1:80", r#""300.0.0.1" is not an IPv4 address"#),
            ("[::g]:80", r#""::g" is not an IPv6 address"#),
            (
                "example.com:80",
                r#""example.com" is a name, and names are not looked up"#,
            ),
            ("*:80", r#""*" is a name, and names are not looked up"#),
            (
                "http://0.0.0.0:80",
                "an address has no scheme: leave out what ends in ://",
            ),
            ("unix:", "the path is missing"),
            ("unix:@", "the path is missing"),
            ("unix:/a\0b", "a NUL byte"),
        ] {
            let error = text.parse::<Addr>().unwrap_err();
            let message = error.to_string();
            assert_eq!(error.text(), text);
            assert!(
                message.starts_with(&format!("{text:?} is no address")),
                "{message}"
            );
            assert!(message.contains(problem), "{message}");
            assert!(
                message.contains("; allowed are a port (5000), "),
                "{message}"
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_may_be_as_long_as_a_socket_s_address_and_no_longer() {
        let text = |bytes: usize| format!("unix:/{}", "a".repeat(bytes - 1));
        text(107).parse::<Addr>().unwrap();
        let error = text(108).parse::<Addr>().unwrap_err().to_string();
        assert!(
            error.contains("has 108 bytes, and a socket's has at most 107"),
            "{error}"
        );
        let given = AddrError::check_path(Path::new(&"a".repeat(200))).unwrap_err();
        assert!(given.to_string().contains("has 200 bytes"), "{given}");
        let name = AddrError::check_path(Path::new("@app")).unwrap();
        assert_eq!(name, Addr::Unix(Some("\0app".into())));
        assert_eq!(name.to_string(), "unix:@app");
    }

    #[test]
    fn addresses_of_every_kind_are_printed() {
        assert_eq!(
            Addr::Unix(Some("/run/app".into())).to_string(),
            "unix:/run/app"
        );
        assert_eq!(Addr::Unix(None).to_string(), "unix:unnamed");
        let named = Addr::Named("server".into());
        assert_eq!(named.to_string(), "server");
        assert_eq!(named.port(), None);
        assert_eq!(Addr::Tcp(([10, 0, 0, 1], 80).into()).port(), Some(80));
    }
}
