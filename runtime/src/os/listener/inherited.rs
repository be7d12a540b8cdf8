//! Listeners that this process was given by whoever started it: systemd's protocol, which many tools
//! speak (floor 1).
//!
//! `LISTEN_FDS` descriptors from 3 on are sockets, `LISTEN_FDNAMES` has their names, and `LISTEN_PID`
//! says which process is meant (`sd_listen_fds(3)`).
//!
//! **Invariant:** the variables are read once, all descriptors are taken at once and closed in every
//! child, and each is handed out at most once.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, OnceLock, PoisonError};

use listenfd::ListenFd;
use socket2::SockRef;

/// Why a listener is not among those that were inherited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InheritedError {
    /// There are none.
    #[error(
        "no listener was inherited, so none named {name:?}: LISTEN_FDS is not set, or LISTEN_PID \
         is not this process"
    )]
    None {
        /// The name that was asked for.
        name: String,
    },
    /// There are others.
    #[error("no inherited listener is named {name:?}; those there are: {}", .there.join(", "))]
    Missing {
        /// The name that was asked for.
        name: String,
        /// The names of those there are.
        there: Vec<String>,
    },
    /// All of this name were handed out before.
    #[error("every inherited listener named {name:?} is in use already")]
    Taken {
        /// The name that was asked for.
        name: String,
    },
    /// What was inherited under this name cannot be listened on.
    #[error(
        "what was inherited as {name:?} is not usable: {problem}; allowed is a bound TCP or Unix \
         stream socket that listens"
    )]
    NotAListener {
        /// The name that was asked for.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The protocol's variables make no sense.
    #[error("{variable} is {value:?}, allowed is {allowed}")]
    Variable {
        /// The variable's name.
        variable: String,
        /// Its value.
        value: String,
        /// What it may be set to.
        allowed: String,
    },
}

/// A listener that was inherited.
#[derive(Debug)]
pub(super) enum Inherited {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug)]
struct Row {
    name: String,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    There(Inherited),
    Unusable(String),
    Taken,
}

/// Everything that this process has inherited.
type Table = Result<Mutex<Vec<Row>>, InheritedError>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| read().map(Mutex::new))
}

/// Takes everything that was inherited, unless that has been done.
pub(super) fn claim() {
    table();
}

/// The names of what nobody has taken yet, in their order, usable or not; [`UNNAMED`] where the
/// variables make no sense. Whoever asks for one that is no good hears why: passed over in silence, a
/// server would listen where nobody sends.
pub(super) fn names() -> Vec<String> {
    let Ok(table) = table() else {
        return vec![UNNAMED.to_owned()];
    };
    let rows = table.lock().unwrap_or_else(PoisonError::into_inner);
    let free = |row: &&Row| !matches!(row.socket, Socket::Taken);
    rows.iter()
        .filter(free)
        .map(|row| row.name.clone())
        .collect()
}

/// Refuses a name of which [`take`] would find none.
pub(super) fn check(name: &str) -> Result<(), InheritedError> {
    let mut rows = lock()?;
    find(&mut rows, name).map(|_| ())
}

/// The first listener of this name that nobody has taken.
pub(super) fn take(name: &str) -> Result<Inherited, InheritedError> {
    let mut rows = lock()?;
    let row = find(&mut rows, name)?;
    match std::mem::replace(&mut row.socket, Socket::Taken) {
        Socket::There(listener) => Ok(listener),
        Socket::Unusable(_) | Socket::Taken => Err(InheritedError::Taken {
            name: name.to_owned(),
        }),
    }
}

fn lock() -> Result<std::sync::MutexGuard<'static, Vec<Row>>, InheritedError> {
    match table() {
        Ok(table) => Ok(table.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(error) => Err(error.clone()),
    }
}

fn find<'r>(rows: &'r mut [Row], name: &str) -> Result<&'r mut Row, InheritedError> {
    if rows.is_empty() {
        return Err(InheritedError::None {
            name: name.to_owned(),
        });
    }
    let mut there: Vec<String> = rows.iter().map(|row| format!("{:?}", row.name)).collect();
    there.dedup();
    let place = |free: fn(&Socket) -> bool| {
        let mut rows = rows.iter();
        rows.position(|row| row.name == name && free(&row.socket))
    };
    let free = place(|socket| matches!(socket, Socket::There(_)))
        .or_else(|| place(|socket| matches!(socket, Socket::Unusable(_))));
    let taken = place(|_| true).is_some();
    match free.and_then(|place| rows.get_mut(place)) {
        Some(row) => match &row.socket {
            Socket::Unusable(problem) => Err(InheritedError::NotAListener {
                name: name.to_owned(),
                problem: problem.clone(),
            }),
            Socket::There(_) | Socket::Taken => Ok(row),
        },
        None if taken => Err(InheritedError::Taken {
            name: name.to_owned(),
        }),
        None => Err(InheritedError::Missing {
            name: name.to_owned(),
            there,
        }),
    }
}

/// Reads the variables, takes the descriptors.
fn read() -> Result<Vec<Row>, InheritedError> {
    let variable =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let names = Variables {
        fds: variable("LISTEN_FDS"),
        pid: variable("LISTEN_PID"),
        names: variable("LISTEN_FDNAMES"),
    }
    .names(std::process::id())?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // Takes LISTEN_FDS and LISTEN_PID out of the environment, so that no child reads them.
    let mut fds = ListenFd::from_env();
    Ok(names
        .into_iter()
        .enumerate()
        .map(|(index, name)| Row {
            name,
            socket: socket(&mut fds, index),
        })
        .collect())
}

fn socket(fds: &mut ListenFd, index: usize) -> Socket {
    let tcp = fds
        .take_tcp_listener(index)
        .map(|tcp| tcp.map(Inherited::Tcp));
    // A socket that is none of TCP's stays where it is.
    let taken = tcp.or_else(|_| {
        fds.take_unix_listener(index)
            .map(|unix| unix.map(Inherited::Unix))
    });
    match taken {
        Ok(Some(listener)) => match listener.listens() {
            Ok(true) => Socket::There(listener),
            Ok(false) => Socket::Unusable("it does not listen".to_owned()),
            Err(error) => Socket::Unusable(error.to_string()),
        },
        Ok(None) => Socket::Unusable("it is not there".to_owned()),
        Err(error) => Socket::Unusable(error.to_string()),
    }
}

impl Inherited {
    fn listens(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(listener) => SockRef::from(listener).is_listener(),
            Self::Unix(listener) => SockRef::from(listener).is_listener(),
        }
    }
}

/// What has no name, as `sd_listen_fds_with_names(3)` calls it.
const UNNAMED: &str = "unknown";

/// The variables of the protocol.
#[derive(Debug)]
struct Variables {
    fds: Option<String>,
    pid: Option<String>,
    names: Option<String>,
}

/// More than any service manager passes; a larger number is no count of sockets.
const MOST: usize = 1024;

impl Variables {
    /// The names of the descriptors from 3 on that are meant for the process `pid`.
    fn names(&self, pid: u32) -> Result<Vec<String>, InheritedError> {
        let Some(fds) = &self.fds else {
            return Ok(Vec::new());
        };
        // For the process that started this one, or one that it has been before.
        let ours = |value: &String| value.is_empty() || *value == pid.to_string();
        if !self.pid.as_ref().is_none_or(ours) {
            return Ok(Vec::new());
        }
        let wrong = |variable: &str, value: &str, allowed: String| InheritedError::Variable {
            variable: variable.to_owned(),
            value: value.to_owned(),
            allowed,
        };
        let digits = fds.bytes().all(|byte| byte.is_ascii_digit());
        let count: Option<usize> = if digits { fds.parse().ok() } else { None };
        let Some(count) = count.filter(|count| *count <= MOST) else {
            return Err(wrong(
                "LISTEN_FDS",
                fds,
                format!("0 to {MOST} in decimal digits"),
            ));
        };
        let Some(names) = self.names.as_ref().filter(|names| !names.is_empty()) else {
            return Ok(vec![UNNAMED.to_owned(); count]);
        };
        let names: Vec<String> = names.split(':').map(str::to_owned).collect();
        if names.len() != count {
            let value = names.join(":");
            let allowed = format!("{count} names with colons between them, as LISTEN_FDS says");
            return Err(wrong("LISTEN_FDNAMES", &value, allowed));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
