//! What a campaign takes, and what it refuses with which words.

use super::*;

fn read(arguments: &[&str]) -> Result<Arguments, String> {
    read_in(arguments, None)
}

fn read_in(arguments: &[&str], index: Option<&str>) -> Result<Arguments, String> {
    let arguments = arguments.iter().map(OsString::from);
    let environment = |name: &str| (name == JOB_INDEX).then(|| index.map(str::to_owned))?;
    Arguments::read(arguments, environment).map_err(|error| error.to_string())
}

#[test]
fn what_is_said_is_done_and_the_rest_is_as_by_default() {
    assert_eq!(read(&[]), Ok(Arguments::default()));
    let all = "--seeds 7 --from 9 --jobs 3 --shard 1/2 --world turmoil --out d --least 3 --seed 4";
    let read = read(&all.split(' ').collect::<Vec<_>>());
    let expected = Arguments {
        seeds: 7,
        from: 9,
        jobs: NonZeroUsize::new(3).unwrap(),
        shard: Shard { index: 1, of: 2 },
        seed: Some(4),
        world: WorldName::Turmoil,
        out: "d".into(),
        rate: false,
        least: Some(3),
        help: false,
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn shards_share_out_every_seed_once() {
    let of = |index| {
        let shard = format!("{index}/3");
        read(&["--seeds=8", "--from=100", "--shard", &shard]).unwrap()
    };
    let mut all: Vec<u64> = (0..3).flat_map(|index| of(index).seeds()).collect();
    assert_eq!(of(1).seeds().collect::<Vec<_>>(), [101, 104, 107]);
    all.sort_unstable();
    assert_eq!(all, (100..108).collect::<Vec<_>>());
}

#[test]
fn the_number_of_a_job_is_its_shard() {
    let read = |index| read_in(&["--shard", "job/4"], index);
    assert_eq!(read(Some("3")).unwrap().shard, Shard { index: 3, of: 4 });
    let refused = |index| read(index).unwrap_err();
    assert_eq!(
        refused(Some("4")),
        "JOB_COMPLETION_INDEX: `4`; allowed: a number below 4"
    );
    assert_eq!(
        refused(None),
        "JOB_COMPLETION_INDEX: ``; allowed: a number below 4"
    );
}

#[test]
fn what_makes_no_sense_is_named_with_what_is_allowed() {
    let options = options();
    let number = format!("allowed: a number from 1 to {}", u64::MAX);
    let shard = format!("allowed: {SHARD}");
    for (arguments, expected) in [
        (vec!["--seeds", "0"], format!("--seeds: `0`; {number}")),
        (vec!["--seeds", "-1"], format!("--seeds: `-1`; {number}")),
        (vec!["--seeds"], format!("--seeds: ``; {number}")),
        (vec!["--jobs", "many"], format!("--jobs: `many`; {number}")),
        (vec!["--shard", "2/2"], format!("--shard: `2/2`; {shard}")),
        (vec!["--shard", "1"], format!("--shard: `1`; {shard}")),
        (vec!["--shard", "0/0"], format!("--shard: `0/0`; {shard}")),
        (
            vec!["--world", "real"],
            "--world: `real`; allowed: memory or turmoil".to_owned(),
        ),
        (
            vec!["--sed", "1"],
            format!("argument: `--sed`; allowed: {options}"),
        ),
        (vec!["7"], format!("argument: `7`; allowed: {options}")),
        (vec!["-s"], format!("argument: `-s`; allowed: {options}")),
    ] {
        assert_eq!(read(&arguments), Err(expected), "{arguments:?}");
    }
    assert!(read(&["--rate=5"]).unwrap_err().contains("see --help"));
}

#[test]
fn many_seeds_are_asked_for_a_hundred_hits_in_each_cell_and_few_or_a_part_of_them_for_none() {
    let least = |arguments: &str| {
        let arguments = arguments.split(' ').map(OsString::from);
        Arguments::read(arguments, |_| None).unwrap().least()
    };
    for (arguments, wanted) in [
        ("--seeds 99999", 0),
        ("--seeds 100000", 100),
        ("--seeds 100000 --shard 0/2", 0),
        ("--seeds 100000 --least 7", 7),
        ("--seeds 9 --least 1", 1),
    ] {
        assert_eq!(least(arguments), wanted, "{arguments}");
    }
}
