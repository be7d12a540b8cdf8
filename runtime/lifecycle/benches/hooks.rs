//! What it costs to register hooks with a look for cycles each time, next to sorting them once.
//!
//! Prints medians and ratios to a Kahn pass over the same named specs, then hands the same work to
//! criterion. `cargo bench -p lamplighter-lifecycle --bench hooks`.
//!
//! **Invariant:** both sides get the same specs in the same order, each mention of a name a text of
//! its own, and both have to find out by text which names are the same.

#![expect(
    clippy::indexing_slicing,
    reason = "the baseline is written as one writes it"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BatchSize, Criterion};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use lamplighter_lifecycle::{ForwardReferences, HookGraph, HookName, HookSpec, Schedule};

fn main() {
    let arguments = std::env::args().collect::<Vec<_>>();
    if let [_, line, graph, order] = &arguments[..]
        && line == LINE
    {
        let (graph, order) = (graph.parse().unwrap_or(0), order.parse().unwrap_or(0));
        print_line(&GRAPHS[graph], order);
        return;
    }
    // `cargo test --benches` only wants to know that it runs.
    if arguments.iter().any(|argument| argument == "--bench") {
        print_lines();
    }
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut group = criterion.benchmark_group("hooks_10_000");
    for (order, name) in ORDERS.into_iter().enumerate() {
        let specs = ordered(layered(10_000, 10), order);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| specs.clone(), registered, BatchSize::LargeInput);
        });
    }
    let graph = registered(layered(10_000, 10));
    group.bench_function("scheduled, handed out, settled", |bencher| {
        bencher.iter(|| handed_out(&graph));
    });
    group.finish();
    criterion.final_summary();
}

/// A graph, what to call it, and its hooks with their dependencies first.
type Graph = (&'static str, fn() -> Vec<HookSpec>);

const GRAPHS: [Graph; 8] = [
    ("10 000 hooks, layers of 10", || layered(10_000, 10)),
    ("10 000 hooks, after any two", || anywhere(10_000)),
    ("10 000 hooks, one chain", || chain(10_000)),
    ("10 001 hooks, half before one", || hourglass(5_000)),
    ("100 000 hooks, layers of 10", || layered(100_000, 10)),
    ("100 000 hooks, after any two", || anywhere(100_000)),
    ("36 hooks, 12 full layers, 10 times", || full(12, 3, 10)),
    ("120 hooks, 40 full layers, 10 times", || full(40, 3, 10)),
];

/// The orders of registration.
const ORDERS: [&str; 3] = ["dependencies first", "dependencies last", "random"];

/// The argument with which this program calls itself for one line.
const LINE: &str = "--line";

/// Prints the medians of 15 for every graph and order. Each line is a process of its own, since
/// memory that earlier lines have left behind would make one side's work cheaper than the other's.
#[expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]
fn print_lines() {
    println!("{:<56}{:>12}{:>12}{:>8}", "", "register", "Kahn", "ratio");
    for graph in 0..GRAPHS.len() {
        for order in 0..ORDERS.len() {
            let line = std::env::current_exe().and_then(|program| {
                Command::new(program)
                    .args([LINE, &graph.to_string(), &order.to_string()])
                    .status()
            });
            assert!(line.is_ok_and(|status| status.success()));
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]
fn print_line((name, graph): &Graph, order: usize) {
    let [ours, kahn] = medians(&ordered(graph(), order)).map(|time| time.as_secs_f64() * 1e3);
    let ratio = ours / kahn;
    let name = format!("{name}, {}", ORDERS[order]);
    println!("{name:<56}{ours:>9.3} ms{kahn:>9.3} ms{ratio:>8.2}");
}

/// The medians of 15 pairs: registered, and sorted once. Each gets a copy of its own, and what it has
/// built is dropped outside the measured time. The first pairs are for warming up.
fn medians(specs: &[HookSpec]) -> [Duration; 2] {
    let pair = |_| {
        let ours = timed(specs.to_vec(), registered).0;
        let kahn = timed(specs.to_vec(), |specs| (sorted(&specs), specs)).0;
        [ours, kahn]
    };
    let times = (0..20).map(pair).skip(5).collect::<Vec<_>>();
    [0, 1].map(|side| median(times.iter().map(|pair| pair[side])))
}

fn timed<I, O>(input: I, work: impl FnOnce(I) -> O) -> (Duration, O) {
    let input = black_box(input);
    let start = WallTime.start();
    let output = black_box(work(input));
    (WallTime.end(start), output)
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times = times.collect::<Vec<_>>();
    times.sort();
    times[times.len() / 2]
}

fn registered(specs: Vec<HookSpec>) -> HookGraph {
    let mut graph = HookGraph::default();
    for spec in specs {
        let registered = graph.register(spec, ForwardReferences::Allowed);
        assert!(registered.is_ok(), "{registered:?}");
    }
    graph
}

fn handed_out(graph: &HookGraph) -> usize {
    let mut schedule = Schedule::new(graph);
    let mut handed_out = 0;
    while let Some(hook) = schedule.next_startable() {
        black_box(schedule.chain(hook));
        schedule.settle(hook);
        handed_out += 1;
    }
    assert!(schedule.is_done());
    handed_out
}

/// The least that anybody has to do: number the names, count what each waits for, and take them one
/// after the other.
fn sorted(specs: &[HookSpec]) -> Vec<u32> {
    let mut numbers = HashMap::with_capacity_and_hasher(specs.len(), FixedState::with_seed(0));
    let mut edges = Vec::with_capacity(specs.len() * 2);
    for spec in specs {
        let fresh = numbers.len() as u32;
        let own = spec.name.as_ref().map(HookName::as_str);
        let dependent = *numbers.entry(own.unwrap_or_default()).or_insert(fresh);
        for dependency in &spec.after {
            let fresh = numbers.len() as u32;
            let dependency = *numbers.entry(dependency.as_str()).or_insert(fresh);
            edges.push((dependency, dependent));
        }
    }
    // Who waits for each name, name after name in one list.
    let mut waits = vec![0_u32; numbers.len()];
    let mut begins = vec![0_u32; numbers.len() + 1];
    for &(dependency, dependent) in &edges {
        waits[dependent as usize] += 1;
        begins[dependency as usize + 1] += 1;
    }
    for name in 1..begins.len() {
        begins[name] += begins[name - 1];
    }
    let mut places = begins.clone();
    let mut dependents = vec![0_u32; edges.len()];
    for (dependency, dependent) in edges {
        dependents[places[dependency as usize] as usize] = dependent;
        places[dependency as usize] += 1;
    }
    let mut order = Vec::with_capacity(numbers.len());
    order.extend((0..numbers.len() as u32).filter(|name| waits[*name as usize] == 0));
    let mut next = 0;
    while next < order.len() {
        let name = order[next] as usize;
        next += 1;
        for &dependent in &dependents[begins[name] as usize..begins[name + 1] as usize] {
            waits[dependent as usize] -= 1;
            if waits[dependent as usize] == 0 {
                order.push(dependent);
            }
        }
    }
    assert_eq!(order.len(), numbers.len());
    order
}

/// The hooks in the order of registration that is called `ORDERS[order]`.
fn ordered(mut first: Vec<HookSpec>, order: usize) -> Vec<HookSpec> {
    let mut numbers = Numbers(7);
    match order {
        0 => {}
        1 => first.reverse(),
        _ => {
            for place in (1..first.len()).rev() {
                first.swap(place, numbers.below(place + 1));
            }
        }
    }
    first
}

/// Each hook after two of the layer before.
fn layered(hooks: usize, width: usize) -> Vec<HookSpec> {
    let mut numbers = Numbers(1);
    let after = |hook: usize| match (hook / width).checked_sub(1) {
        Some(layer) => {
            let one = numbers.below(width);
            let other = (one + 1 + numbers.below(width - 1)) % width;
            vec![layer * width + one, layer * width + other]
        }
        None => vec![],
    };
    specs(hooks, after)
}

/// Each hook after any two before it.
fn anywhere(hooks: usize) -> Vec<HookSpec> {
    let mut numbers = Numbers(2);
    specs(hooks, |hook| match hook {
        0 | 1 => vec![],
        _ => vec![numbers.below(hook), numbers.below(hook)],
    })
}

/// Every hook after all of the layer before, each edge given several times.
fn full(layers: usize, width: usize, times: usize) -> Vec<HookSpec> {
    specs(layers * width, |hook| match (hook / width).checked_sub(1) {
        Some(layer) => (0..width * times)
            .map(|place| layer * width + place % width)
            .collect(),
        None => vec![],
    })
}

/// Every hook after the one before.
fn chain(hooks: usize) -> Vec<HookSpec> {
    specs(hooks, |hook| hook.checked_sub(1).into_iter().collect())
}

/// Many hooks before one, and as many after it.
fn hourglass(side: usize) -> Vec<HookSpec> {
    specs(side * 2 + 1, |hook| match hook.cmp(&side) {
        std::cmp::Ordering::Less => vec![],
        std::cmp::Ordering::Equal => (0..side).collect(),
        std::cmp::Ordering::Greater => vec![side],
    })
}

fn specs(hooks: usize, mut after: impl FnMut(usize) -> Vec<usize>) -> Vec<HookSpec> {
    let name = |hook: usize| format!("hook-{hook}");
    (0..hooks)
        .map(|hook| HookSpec::named(name(hook)).after(after(hook).into_iter().map(name)))
        .collect()
}

/// A small generator (Knuth's MMIX constants), so that every run measures the same graphs.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}
