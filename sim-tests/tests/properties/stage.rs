//! Runs a property over many cases, and tells of the smallest one that breaks it.
//!
//! **Invariant:** a case is a function of its number: nothing is written beside the code, and a number
//! that was printed shows the case again.

use std::any::type_name_of_val;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Set to a number, the environment variable that makes every property try that case alone.
const SEED: &str = "SIM_SEED";

/// How many cases are tried to make one small.
const RUNS: u32 = 5_000;

/// Holds `property` against cases of `strategy`: `eighths` of what `PROPTEST_CASES` says (256), over 8.
/// `test` is the test that does, by which it is found again.
pub(crate) fn holds<S: Strategy>(
    test: impl Fn(),
    eighths: u32,
    strategy: S,
    property: impl Fn(&S::Value) -> Result<(), String>,
) where
    S::Value: Debug,
{
    let cases = u64::from(Config::default().cases) * u64::from(eighths) / 8;
    let only = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..cases.max(1), |seed| seed..seed + 1);
    if let Some(failure) = first_failure(type_name_of_val(&test), seeds, &strategy, property) {
        panic!("{failure}");
    }
}

/// All about the first of these cases that breaks the property.
fn first_failure<S: Strategy>(
    test: &str,
    mut seeds: Range<u64>,
    strategy: &S,
    property: impl Fn(&S::Value) -> Result<(), String>,
) -> Option<String>
where
    S::Value: Debug,
{
    let property = |case: &S::Value| {
        let held = catch_unwind(AssertUnwindSafe(|| property(case)));
        held.unwrap_or_else(|panic| Err(said(panic.as_ref())))
    };
    let (seed, mut tree, mut broken) = seeds.find_map(|seed| {
        let tree = strategy.new_tree(&mut runner(seed)).unwrap();
        let broken = property(&tree.current()).err()?;
        Some((seed, tree, broken))
    })?;
    let mut smallest = tree.current();
    let mut runs = 0;
    let mut more = tree.simplify();
    while more && runs < RUNS {
        runs += 1;
        let candidate = tree.current();
        more = if let Err(how) = property(&candidate) {
            (smallest, broken) = (candidate, how);
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    let (_, test) = test.split_once("::").unwrap_or_default();
    Some(format!(
        "{broken}\n\nthe smallest case, after {runs} runs:\n\n{smallest:#?}\n\n\
         replay: {SEED}={seed} cargo test -p lamplighter-sim --test properties -- --exact {test}"
    ))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.unwrap_or_default())
}

#[test]
fn a_property_that_fails_prints_the_smallest_case_and_how_to_see_it_again() {
    let short = |many: &u32| {
        if *many < 20 {
            Ok(())
        } else {
            Err(format!("{many} are too many"))
        }
    };
    let failure = first_failure("properties::some::test", 0..100, &(0_u32..1_000), short);
    let failure = failure.unwrap();
    assert!(failure.starts_with("20 are too many\n"), "{failure}");
    assert!(failure.contains("\n20\n"), "{failure}");
    let replay = failure.lines().last().unwrap().to_owned();
    let (seed, command) = replay
        .strip_prefix("replay: SIM_SEED=")
        .and_then(|rest| rest.split_once(' '))
        .unwrap();
    assert_eq!(
        command,
        "cargo test -p lamplighter-sim --test properties -- --exact some::test"
    );
    // That number alone fails, too, and those before it do not.
    let seed: u64 = seed.parse().unwrap();
    assert!(first_failure("", seed..seed + 1, &(0_u32..1_000), short).is_some());
    assert!(first_failure("", 0..seed, &(0_u32..1_000), short).is_none());
}

#[test]
fn a_panic_breaks_a_property_and_says_what_it_said() {
    let panics = |_: &u32| -> Result<(), String> { std::panic::resume_unwind(Box::new("ouch")) };
    let failure = first_failure("properties::a", 0..1, &(0_u32..10), panics).unwrap();
    assert!(failure.starts_with("a panic: ouch\n"), "{failure}");
}
