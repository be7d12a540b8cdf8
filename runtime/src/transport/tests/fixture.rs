//! A transport with a listener on loopback, and the books it keeps.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamplighter_lifecycle::{
    Budget, Cause, ConnectionEnd, ConnectionId, Directive, Input, Instant, ListenerId, Protocol,
    Tally, Work,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::client::{Client, Either};
use crate::os::clock::Clock;
use crate::os::listener::memory::{Dialler, Memory};
use crate::os::listener::{Addr, AnyListener, Io, Label};
use crate::os::tasks::Tasks;
use crate::transport::account::{Account, Token};
use crate::transport::{
    Accepting, Application, Limits, Newcomers, Queue, ServerKey, Setup, ShutdownController,
    ShutdownSignal, Sink, Transport,
};

/// How a connection is in the books when it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) protocol: Protocol,
    pub(super) end: ConnectionEnd,
    pub(super) tally: Tally,
    pub(super) cut: Vec<Work>,
}

#[derive(Default)]
struct Books {
    opened: Vec<ConnectionId>,
    forced: BTreeMap<ConnectionId, (Protocol, Tally, Vec<Work>)>,
    closed: BTreeMap<ConnectionId, Closed>,
    lingers: Vec<ConnectionId>,
    lingered: Vec<ConnectionId>,
    listeners_closed: usize,
    listener_failed: Vec<(String, String, usize)>,
    turned_away: u64,
}

/// Keeps the books of a transport, and checks that they can be true.
pub(super) struct Bookkeeper {
    clock: Clock,
    skipped: Mutex<Duration>,
    books: Mutex<Books>,
    changed: Notify,
}

impl Sink for Bookkeeper {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is the server's to say"
    )]
    fn input(&self, input: Input) {
        let mut books = self.books.lock().unwrap();
        match input {
            Input::ConnectionOpened { connection, .. } => {
                assert!(
                    !books.opened.contains(&connection),
                    "{connection} opened twice"
                );
                books.opened.push(connection);
            }
            Input::ConnectionClosed {
                connection,
                protocol,
                end,
                tally,
                cut,
            } => {
                assert!(
                    books.opened.contains(&connection),
                    "{connection} never opened"
                );
                assert_eq!(
                    tally.in_flight(),
                    0,
                    "{connection} closed with work in flight"
                );
                assert_eq!(
                    tally.cut,
                    cut.len() as u64,
                    "{connection} names what is cut"
                );
                let closed = Closed {
                    protocol,
                    end,
                    tally,
                    cut,
                };
                let before = books.closed.insert(connection, closed);
                assert_eq!(before, None, "{connection} closed twice");
            }
            Input::ConnectionForced {
                connection,
                protocol,
                tally,
                work,
            } => {
                books.forced.insert(connection, (protocol, tally, work));
            }
            Input::LingerBegan { connection } => {
                assert!(
                    books.opened.contains(&connection) && !books.closed.contains_key(&connection),
                    "{connection} lingers before it is closed"
                );
                books.lingers.push(connection);
            }
            Input::LingerEnded { connection } => {
                let before = books.lingers.len();
                books.lingers.retain(|lingers| *lingers != connection);
                assert_eq!(books.lingers.len() + 1, before, "{connection} lingers once");
                books.lingered.push(connection);
            }
            Input::ListenersClosed => books.listeners_closed += 1,
            Input::ListenerFailed {
                listener,
                error,
                left,
            } => books
                .listener_failed
                .push((listener.to_string(), error.to_string(), left)),
            Input::ConnectionsTurnedAway(count) => books.turned_away += count,
            other => panic!("the transport does not say {other:?}"),
        }
        drop(books);
        self.changed.notify_waiters();
    }

    fn now(&self) -> Instant {
        self.clock.now() + *self.skipped.lock().unwrap()
    }
}

impl Bookkeeper {
    /// Time passes for everybody but timers.
    pub(super) fn skip(&self, time: Duration) {
        *self.skipped.lock().unwrap() += time;
    }
}

/// A transport with one listener, and everything that looks at it.
pub(super) struct Fixture {
    pub(super) transport: Transport,
    pub(super) tasks: Tasks,
    pub(super) books: Arc<Bookkeeper>,
    pub(super) signal: ShutdownSignal,
    addr: Option<SocketAddr>,
    dialler: Dialler,
    clock: Clock,
}

/// Long enough for a loaded machine, short enough to say which wait hung.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that has to come.
pub(super) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not come"),
    }
}

/// Runs beside the test, as a client's own task or what a handler leaves behind.
#[expect(
    clippy::disallowed_methods,
    reason = "clients and handlers spawn without asking the server"
)]
pub(super) fn beside<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

/// Runs beside the test, for clients that block.
#[expect(
    clippy::disallowed_methods,
    reason = "clients have threads that no server knows of"
)]
pub(super) fn beside_on_a_thread(
    client: impl FnOnce() + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(client)
}

impl Fixture {
    /// Serving on an ephemeral port.
    pub(super) async fn serving(app: impl Application) -> Self {
        let fixture = Self::starting(app, Limits::default()).await;
        fixture.transport.direct(&Directive::Serve);
        fixture
    }

    /// Accepting, not ready yet.
    pub(super) async fn starting(app: impl Application, limits: Limits) -> Self {
        let mut fixture = Self::without_listener(app, limits);
        fixture.listen().await;
        fixture
    }

    async fn listen(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.addr = Some(listener.local_addr().unwrap());
        self.accept(AnyListener::new(listener), Newcomers::Queue);
    }

    /// Serving connections in memory, for a paused clock: it moves only when all is said.
    pub(super) fn in_memory(app: impl Application) -> Self {
        Self::limited(app, Limits::default(), Budget::default())
    }

    /// As above, with limits, and with what a plan says of connections.
    pub(super) fn limited(app: impl Application, limits: Limits, budget: Budget) -> Self {
        let fixture = Self::planned(app, limits, budget);
        fixture.transport.direct(&Directive::Serve);
        fixture
    }

    /// Serving on an ephemeral port, with limits and a plan.
    pub(super) async fn on_a_port(app: impl Application, limits: Limits, budget: Budget) -> Self {
        let mut fixture = Self::limited(app, limits, budget);
        fixture.listen().await;
        fixture
    }

    pub(super) fn without_listener(app: impl Application, limits: Limits) -> Self {
        Self::planned(app, limits, Budget::default())
    }

    /// Not ready yet, with what a plan says of connections.
    pub(super) fn planned(app: impl Application, limits: Limits, budget: Budget) -> Self {
        let clock = Clock::new();
        clock.begin(&Handle::current());
        let tasks = Tasks::new(Handle::current(), &|name, message| {
            panic!("task {name} panicked: {message}")
        });
        let books = Arc::new(Bookkeeper {
            clock: clock.clone(),
            skipped: Mutex::default(),
            books: Mutex::default(),
            changed: Notify::new(),
        });
        let (controller, signal) = ShutdownSignal::new(clock.clone());
        let transport = Transport::new(Setup {
            infrastructure: None,
            app: app.erase(),
            limits,
            budget,
            clock: clock.clone(),
            tasks: tasks.clone(),
            sink: Arc::<Bookkeeper>::clone(&books),
            server: ServerKey::new(),
            controller: ShutdownController::clone(&controller),
        });
        let (dialler, memory) = Memory::new();
        let fixture = Self {
            transport,
            tasks,
            books,
            signal,
            addr: None,
            dialler,
            clock,
        };
        fixture.accept(AnyListener::new(memory), Newcomers::Queue);
        fixture
    }

    /// One listener more.
    pub(super) fn accept(&self, listener: AnyListener, newcomers: Newcomers) {
        let label = Label::new(None, listener.local_addr().unwrap());
        let accepting = Accepting {
            id: ListenerId::new(0),
            label,
            listener,
            newcomers,
        };
        self.transport.accept(vec![accepting]);
    }

    /// A connection that no listener of ours has accepted.
    pub(super) fn open(&self, socket: TcpStream, peer: SocketAddr) {
        let inner = &self.transport.inner;
        let seat = inner.room.try_take().expect("a seat");
        inner.open(Io::Tcp(socket), Addr::Tcp(peer), seat);
    }

    /// The account of a connection that has no task: the first one of this server, which speaks this.
    pub(super) fn account(&self, protocol: Protocol) -> (Arc<Account>, Token) {
        let inner = Arc::clone(&self.transport.inner);
        let connection = ConnectionId::new(1);
        let peer = "script".into();
        inner
            .sink
            .input(Input::ConnectionOpened { connection, peer });
        let now = inner.sink.now();
        let (account, token) = Account::open(connection, inner, 0, now);
        account.speaks(protocol);
        (account, token)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr.expect("a fixture with a listener")
    }

    pub(super) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(Either::Tcp(stream), Arc::default())
    }

    /// A connection in memory that holds `room` bytes each way.
    pub(super) fn dial(&self, room: usize) -> Client {
        let (ours, reset) = self.dialler.dial(room);
        Client::new(Either::Memory(ours), reset)
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn lame_duck(&self, length: Duration) {
        self.transport.direct(&Directive::LameDuck {
            cause: Cause::Drain,
            until: self.now() + length,
        });
    }

    /// Closes the listener and drains without a deadline.
    pub(super) fn drain(&self) {
        self.transport.direct(&Directive::Drain {
            cause: Cause::Drain,
            deadline: None,
        });
        self.transport.close_listeners(Queue::Drain);
    }

    pub(super) fn force(&self) {
        self.transport.forced();
        self.transport.direct(&Directive::Force);
    }

    async fn until<T>(&self, what: &str, mut find: impl FnMut(&Books) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let changed = self.books.changed.notified();
                let found = find(&self.books.books.lock().unwrap());
                match found {
                    Some(found) => return found,
                    None => changed.await,
                }
            }
        })
        .await
    }

    /// How the `number`th connection ended.
    pub(super) async fn closed(&self, number: u64) -> Closed {
        let id = ConnectionId::new(number);
        self.until(&format!("the end of {id}"), |books| {
            books.closed.get(&id).cloned()
        })
        .await
    }

    /// Which connections linger, and which have.
    pub(super) fn lingering(&self) -> (Vec<u64>, Vec<u64>) {
        let books = self.books.books.lock().unwrap();
        let numbers = |ids: &[ConnectionId]| ids.iter().map(|id| id.number()).collect();
        (numbers(&books.lingers), numbers(&books.lingered))
    }

    /// So many connections linger.
    pub(super) async fn lingers(&self, count: usize) {
        self.until("connections to linger", |books| {
            (books.lingers.len() == count).then_some(())
        })
        .await;
    }

    /// The `number`th connection has lingered, and does no more.
    pub(super) async fn lingered(&self, number: u64) {
        let id = ConnectionId::new(number);
        self.until(&format!("the end of {id}'s socket"), |books| {
            books.lingered.contains(&id).then_some(())
        })
        .await;
    }

    pub(super) async fn opened(&self, count: usize) {
        self.until("a connection", |books| {
            (books.opened.len() >= count).then_some(())
        })
        .await;
    }

    /// Which listener broke, what the operating system said, and how many are left.
    pub(super) async fn listener_failed(&self) -> (String, String, usize) {
        self.until("the end of a listener", |books| {
            books.listener_failed.first().cloned()
        })
        .await
    }

    /// How many listeners were left as each of them broke.
    pub(super) fn failed_listeners(&self) -> Vec<usize> {
        let books = self.books.books.lock().unwrap();
        books
            .listener_failed
            .iter()
            .map(|(.., left)| *left)
            .collect()
    }

    pub(super) fn opened_so_far(&self) -> usize {
        self.books.books.lock().unwrap().opened.len()
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.books.books.lock().unwrap().turned_away
    }

    pub(super) async fn listeners_closed(&self) {
        self.until("the end of the listeners", |books| {
            (books.listeners_closed > 0).then_some(())
        })
        .await;
    }

    /// What was reported of the `number`th connection when force reached it.
    pub(super) fn forced(&self, number: u64) -> Option<(Protocol, Tally, Vec<Work>)> {
        let books = self.books.books.lock().unwrap();
        books.forced.get(&ConnectionId::new(number)).cloned()
    }

    /// Everything is over: drains what is left, and checks that nothing is.
    pub(super) async fn ends_clean(self) {
        self.drain();
        self.listeners_closed().await;
        soon("the end of all tasks", self.tasks.ended()).await;
        let books = self.books.books.lock().unwrap();
        assert_eq!(books.lingers, [], "nothing lingers");
        assert_eq!(books.listeners_closed, 1, "listeners close once");
        assert_eq!(
            books.opened.len(),
            books.closed.len(),
            "all that opened closed"
        );
        assert_eq!(self.transport.open_connections(), 0);
        assert_eq!(self.transport.in_flight(), 0);
    }
}

/// The same, of which the application failed so many.
pub(super) fn failing(failed: u64, mut tally: Tally) -> Tally {
    tally.failed = failed;
    tally
}

pub(super) fn tally(begun: u64, answered: u64, cut: u64, aborted: u64) -> Tally {
    let mut tally = Tally::default();
    tally.begun = begun;
    tally.answered = answered;
    tally.cut = cut;
    tally.aborted = aborted;
    tally
}
