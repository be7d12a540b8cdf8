//! The path of a Unix socket: whose it is, and when it may be removed (floor 1).
//!
//! **Invariant:** a path is removed only while it is the very file that was judged.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// A path that we have bound. Dropped, the file is removed, unless another one has come in its
/// place.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    file: Option<File>,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
}

impl File {
    /// The socket at `path`; `None` if there is none.
    fn socket_at(path: &Path) -> io::Result<Option<Self>> {
        // The file itself: a link to a socket is somebody's, too.
        match std::fs::symlink_metadata(path) {
            Ok(data) if data.file_type().is_socket() => Ok(Some(Self {
                device: data.dev(),
                inode: data.ino(),
            })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Claim {
    /// Claims what has just been bound at `path`.
    pub(super) fn stake(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::socket_at(path)?,
            // The program may go to another directory before the end.
            path: std::path::absolute(path)?,
        })
    }

    /// Gives the claim up: the path stays.
    pub(super) fn leave(mut self) {
        self.file = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.file.is_some() && matches!(File::socket_at(&self.path), Ok(now) if now == self.file)
        {
            // Somebody may have been quicker, and there is nobody to tell.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Removes what is at `path` if it is a socket on which nobody answers.
///
/// Between two servers that find the same dead socket in the same moment nothing decides: the
/// second may remove what the first has just bound. Whoever starts two servers on one path has one
/// too many.
pub(super) fn remove_dead(path: &Path, addr: &SockAddr) -> io::Result<()> {
    let found = File::socket_at(path)?;
    if found.is_none() && std::fs::symlink_metadata(path).is_ok() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "what is there is no socket; allowed is a path where nothing is, or the socket of a \
             server that is gone",
        ));
    }
    if is_answered(addr)? {
        return Err(io::Error::new(
            ErrorKind::AddrInUse,
            "a server answers there: stop it, or choose another path",
        ));
    }
    if found.is_some() && File::socket_at(path)? == found {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Whether somebody listens there. Never waits.
fn is_answered(addr: &SockAddr) -> io::Result<bool> {
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(addr) {
        // Its file is there, and nobody behind it; or that, too, is gone.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            Ok(false)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        // Whatever else it says, it is alive: its queue is full, it speaks datagrams.
        Ok(()) | Err(_) => Ok(true),
    }
}
