//! Hooks after each other in any way at all: refused exactly where they would wait for each other, and
//! run in order where not.
//!
//! **Invariant:** what is expected is found by a plain depth-first search over names, which shares no
//! code with the runtime.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamplighter::{Hook, HookError, Server, ServerEventKind, Signal};
use lamplighter_sim::{BoxError, Host, Run, scenario};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;

use crate::stage::holds;

/// How many names there are.
const NAMES: usize = 24;

/// A hook: the number of its name, the names that it is after as bits, and how long it takes.
#[derive(Clone)]
struct Drawn {
    name: usize,
    after: u32,
    takes_ms: u64,
}

impl fmt::Debug for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after: Vec<String> = bits(self.after).map(name).collect();
        let (name, takes) = (name(self.name), self.takes_ms);
        write!(f, "{name} after [{}], {takes} ms", after.join(", "))
    }
}

/// Hooks in the order of their registration.
type Hooks = Vec<Drawn>;

fn hooks() -> impl Strategy<Value = Hooks> {
    // Of few edges and of many: about one, two, or six per hook.
    let after = (any::<[u32; 4]>(), 2..=4_usize).prop_map(|(bits, many)| {
        bits.iter()
            .take(many)
            .fold((1 << NAMES) - 1, |all, it| all & it)
    });
    let hook = (0..NAMES, after, 0..4_u64).prop_map(|(name, after, takes_ms)| Drawn {
        name,
        after,
        takes_ms,
    });
    // Each name once, or some of them for several hooks and others for none.
    (vec(hook, 0..=NAMES), any::<bool>()).prop_map(|(mut hooks, once)| {
        if once {
            hooks
                .iter_mut()
                .enumerate()
                .for_each(|(place, hook)| hook.name = place);
        }
        hooks
    })
}

fn bits(after: u32) -> impl Iterator<Item = usize> {
    (0..NAMES).filter(move |name| after & (1 << name) != 0)
}

fn name(number: usize) -> String {
    format!("n{number}")
}

/// The edges between names: which ones each is after.
#[derive(Clone, Default)]
struct Edges([u32; NAMES]);

impl Edges {
    fn and(&self, name: usize, after: u32) -> Self {
        let mut edges = self.clone();
        edges.0[name] |= after;
        edges
    }

    fn has(&self, name: usize, after: usize) -> bool {
        self.0[name] & (1 << after) != 0
    }

    /// Whether some way along the edges leads back to where it began.
    fn has_cycle(&self) -> bool {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        fn visit(edges: &Edges, name: usize, marks: &mut [Mark; NAMES]) -> bool {
            match marks[name] {
                Mark::Open => return true,
                Mark::Done => return false,
                Mark::New => {}
            }
            marks[name] = Mark::Open;
            let found = bits(edges.0[name]).any(|after| visit(edges, after, marks));
            marks[name] = Mark::Done;
            found
        }
        let mut marks = [Mark::New; NAMES];
        (0..NAMES).any(|name| visit(self, name, &mut marks))
    }
}

/// What came of registering.
struct Registered {
    hook: usize,
    name: usize,
    after: u32,
    refused: Option<HookError>,
}

/// What hooks do: they begin, and end.
type Done = Arc<Mutex<Vec<(usize, bool)>>>;

/// Registers all of it with a server, and then a hook for each name that is missing, if `fills`.
fn register(server: &Server, hooks: &Hooks, fills: bool, done: &Done) -> Vec<Registered> {
    let mut registered: Vec<Registered> = Vec::new();
    let mut hand_in = |hook: usize, named: usize, after: u32, takes: u64| {
        let done = Arc::clone(done);
        let work = async move || {
            done.lock().unwrap().push((hook, true));
            tokio::time::sleep(Duration::from_millis(takes)).await;
            done.lock().unwrap().push((hook, false));
        };
        let work = Hook::named(name(named), work).after(bits(after).map(name));
        registered.push(Registered {
            hook,
            name: named,
            after,
            refused: server.hook(work).err(),
        });
    };
    for (place, hook) in hooks.iter().enumerate() {
        hand_in(place, hook.name, hook.after, hook.takes_ms);
    }
    if fills {
        let has = |number: usize| hooks.iter().any(|hook| hook.name == number);
        for (place, missing) in (0..NAMES).filter(|it| !has(*it)).enumerate() {
            hand_in(hooks.len() + place, missing, 0, 0);
        }
    }
    registered
}

/// A life with hooks: what came of registering them, what they did in which order, and all of it.
struct Life {
    registered: Vec<Registered>,
    done: Vec<(usize, bool)>,
    run: Run,
}

/// Runs a server with these hooks through its life.
fn life(hooks: &Hooks, fills: bool) -> Result<Life, String> {
    let done = Done::default();
    let registered = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let (hooks, done, registered) = (hooks.clone(), Arc::clone(&done), Arc::clone(&registered));
        async move |_: &Host| -> Result<Server, BoxError> {
            let server = Server::new(axum::Router::new());
            *registered.lock().unwrap() = register(&server, &hooks, fills, &done);
            Ok(server)
        }
    };
    let stopped = scenario().signal_at(Duration::from_millis(1), Signal::Sigterm);
    let run = stopped
        .run(service)
        .map_err(|failure| failure.to_string())?;
    let registered = std::mem::take(&mut *registered.lock().unwrap());
    let done = std::mem::take(&mut *done.lock().unwrap());
    Ok(Life {
        registered,
        done,
        run,
    })
}

#[test]
fn hooks_are_refused_where_they_wait_for_each_other_and_run_in_order_else() {
    holds(
        hooks_are_refused_where_they_wait_for_each_other_and_run_in_order_else,
        16,
        (hooks(), any::<bool>()),
        |(hooks, fills)| {
            let Life {
                registered,
                done,
                run,
            } = life(hooks, *fills)?;
            let told = |how: String| format!("{how}\n\n{}", run.text());
            let edges = refusals(&registered).map_err(told)?;
            let taken: Vec<&Registered> = registered
                .iter()
                .filter(|it| it.refused.is_none())
                .collect();
            let known = |name: usize| taken.iter().any(|it| it.name == name);
            let unknown = taken
                .iter()
                .find_map(|it| bits(it.after).find(|after| !known(*after)).map(|_| it));
            match unknown {
                Some(_) => never_started(&run).map_err(told),
                None => in_order(&taken, &edges, &done).map_err(told),
            }
        },
    );
}

/// Whether those are refused that would close a cycle, each with one; gives back the edges of the rest.
fn refusals(registered: &[Registered]) -> Result<Edges, String> {
    let mut edges = Edges::default();
    for it in registered {
        let with = edges.and(it.name, it.after);
        match (&it.refused, with.has_cycle()) {
            (None, false) => edges = with,
            (None, true) => return Err(format!("hook {} is taken, and closes a cycle", it.hook)),
            (Some(HookError::Cycle { path }), true) => {
                let numbers = path.iter().map(|name| name.as_str()[1..].parse().unwrap());
                let numbers: Vec<usize> = numbers.collect();
                let is_edge = |pair: &[usize]| with.has(pair[0], pair[1]);
                let closes = numbers.len() > 1
                    && numbers.first() == Some(&it.name)
                    && numbers.last() == Some(&it.name);
                if !closes || !numbers.windows(2).all(is_edge) {
                    return Err(format!(
                        "hook {} is refused for no cycle: {path:?}",
                        it.hook
                    ));
                }
            }
            (Some(error), _) => return Err(format!("hook {} is refused: {error}", it.hook)),
        }
    }
    Ok(edges)
}

/// A name that nobody has is found before the server is ready, and nothing has run for it.
fn never_started(run: &Run) -> Result<(), String> {
    let report = run.report.as_ref().ok_or("it never ends")?;
    let ready = run
        .trace
        .iter()
        .any(|entry| entry.server() == Some(&ServerEventKind::Ready));
    if ready || report.exit_code() != 78 {
        let code = report.exit_code();
        return Err(format!("a name that no hook has, and exit code {code}"));
    }
    Ok(())
}

/// Every hook has run once, after all hooks of all names that it is after.
fn in_order(taken: &[&Registered], edges: &Edges, done: &[(usize, bool)]) -> Result<(), String> {
    let place = |hook: usize, begins: bool| {
        let mut places = done
            .iter()
            .enumerate()
            .filter(|(_, it)| **it == (hook, begins));
        let first = places.next().map(|(place, _)| place);
        match (first, places.next()) {
            (Some(place), None) => Ok(place),
            _ => Err(format!("hook {hook} did not run once: {done:?}")),
        }
    };
    if done.len() != 2 * taken.len() {
        return Err(format!("{} hooks, and {done:?}", taken.len()));
    }
    for hook in taken {
        for earlier in taken
            .iter()
            .filter(|it| bits(hook.after).any(|name| name == it.name))
        {
            debug_assert!(edges.has(hook.name, earlier.name));
            if place(hook.hook, true)? < place(earlier.hook, false)? {
                return Err(format!(
                    "hook {} before {} has ended",
                    hook.hook, earlier.hook
                ));
            }
        }
    }
    Ok(())
}
