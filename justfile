# Lists the recipes.
default:
    @{{ just_executable() }} --list --unsorted

# The example server, until Ctrl-C.
run:
    cargo run --release --example quickstart

# Formats all code.
fmt:
    cargo fmt

# Clippy, as strict as CI.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# All tests.
test:
    cargo test --workspace

# All tests but the doc tests, each in a process of its own.
nextest:
    cargo nextest run --workspace

# What is tested beside the code itself.
unit:
    cargo test --workspace --lib

# The laws of the lifecycle core: properties, exhaustive search, its plan.
laws:
    cargo test -p lamplighter-lifecycle

# The simulated servers.
sim:
    cargo test -p lamplighter-sim

# A campaign of simulated lives: `just campaign --seeds 1000000`.
campaign *arguments:
    cargo run --release -p lamplighter-sim --bin campaign -- {{ arguments }}

# One simulated life in full, by its number.
seed n:
    cargo run --release -p lamplighter-sim --bin campaign -- --seed {{ n }}

# The servers on real sockets and in real processes.
real:
    cargo test -p lamplighter-harness

# The leaks of test servers, with what tokio tells of tasks only in such a build. Builds everything anew.
leaks:
    RUSTFLAGS="--cfg tokio_unstable" cargo test -p lamplighter-harness --target-dir target/unstable --lib --test leaks

# The rules of the tree: floors, names, words, first lines.
tidy:
    cargo test -p lamplighter-harness --test tidy

# Both test commands, n times in a row, until one fails.
stress n="100":
    for run in $(seq {{ n }}); do echo "run $run of {{ n }}" && cargo test --workspace && cargo nextest run --workspace || exit 1; done

# Takes what the tests see as the new snapshots, and shows what that changes.
accept:
    INSTA_UPDATE=always cargo test --workspace
    git add --intent-to-add snapshots
    git --no-pager diff snapshots

# The simulated timelines alone: taken as they are, and what that changes.
timelines:
    INSTA_UPDATE=always cargo test -p lamplighter-sim --test timelines
    git add --intent-to-add snapshots
    git --no-pager diff snapshots

# The documentation, opened in a browser.
doc:
    cargo doc --workspace --no-deps --open

# What CI runs.
ci:
    bash .ci/run

# Changes the lifecycle core line by line; each change must fail a test.
[group('with a tool of its own')]
mutants:
    LAWS_SEQUENCES=300 PROPTEST_CASES=32 INSTA_UPDATE=no cargo mutants --package lamplighter-lifecycle
