//! The order against its own definition: levels that fit every edge, and lists that hold what they
//! are for.

use alloc::collections::BTreeSet;
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::hooks::arena::Key;

fn node(index: usize) -> NodeId {
    NodeId::from_index(index)
}

fn order_of(nodes: usize) -> Order {
    let mut order = Order::default();
    for _ in 0..nodes {
        order.add_node();
    }
    order
}

/// Adds the edges if they close no cycle.
fn insert(order: &mut Order, dependent: usize, dependencies: &[usize]) -> Result<(), Cycle> {
    let dependencies = dependencies.iter().copied().map(node).collect::<Vec<_>>();
    let raise = order.admit(Some(node(dependent)), &dependencies)?;
    order.connect(node(dependent), &dependencies, raise);
    Ok(())
}

/// Every edge fits the levels, and exactly those within one level are in the lists of such edges.
fn assert_levels_fit(order: &Order) {
    let mut within = BTreeSet::new();
    for (index, edge) in order.edges.entries().iter().enumerate() {
        let dependency = order.nodes[edge.dependency].level;
        let dependent = order.nodes[edge.dependent].level;
        assert!(dependency <= dependent, "{edge:?}");
        if dependency == dependent {
            within.insert(index);
        }
    }
    let mut listed = BTreeSet::new();
    for name in order.nodes.keys() {
        let mut next = order.nodes[name].same_level;
        while let Some(id) = next {
            assert_eq!(order.edges[id].dependent, name);
            assert!(listed.insert(id.index()), "listed twice: {id:?}");
            next = order.edges[id].next_same_level;
        }
    }
    assert_eq!(listed, within);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn levels_fit_every_edge_whatever_comes_and_is_refused(
        edges in prop::collection::vec((0_usize..60, prop::collection::vec(0_usize..60, 0..4)), 0..150),
    ) {
        let mut order = order_of(60);
        for (dependent, mut dependencies) in edges {
            dependencies.retain(|dependency| *dependency != dependent);
            dependencies.sort_unstable();
            dependencies.dedup();
            let before = order.edges.len();
            let accepted = insert(&mut order, dependent, &dependencies).is_ok();
            let added = if accepted { dependencies.len() } else { 0 };
            prop_assert_eq!(order.edges.len(), before + added);
            assert_levels_fit(&order);
        }
    }
}

#[test]
fn a_chain_built_from_both_ends_inwards_raises_levels_and_still_refuses_to_be_closed() {
    const NODES: usize = 2_000;
    let mut order = order_of(NODES);
    // Odd edges first, each on its own; the even ones then join longer and longer pieces.
    let mut step = 1;
    while step < NODES {
        for dependent in (step..NODES).step_by(step * 2) {
            insert(&mut order, dependent, &[dependent - step]).unwrap();
        }
        for dependent in (1..NODES).step_by(step * 2 + 1) {
            insert(&mut order, dependent, &[dependent - 1]).unwrap();
        }
        step *= 2;
    }
    for dependent in 1..NODES {
        insert(&mut order, dependent, &[dependent - 1]).unwrap();
    }
    assert_levels_fit(&order);
    let raised = order.nodes.entries().iter().filter(|node| node.level > 0);
    assert!(
        raised.count() > 0,
        "the bound of the search was never reached"
    );

    let cycle = insert(&mut order, 0, &[NODES - 1]).unwrap_err();
    assert_eq!(cycle.path.first(), Some(&node(0)));
    assert_eq!(cycle.path.last(), Some(&node(0)));
    assert_levels_fit(&order);
}

#[test]
fn levels_stay_as_few_as_the_square_root_of_the_edges_allows() {
    // Chains of one level each, linked against the order in which they were made.
    const CHAINS: usize = 40;
    const LENGTH: usize = 50;
    let mut order = order_of(CHAINS * LENGTH);
    for chain in 0..CHAINS {
        for place in 1..LENGTH {
            let dependent = chain * LENGTH + place;
            insert(&mut order, dependent, &[dependent - 1]).unwrap();
        }
    }
    for chain in 1..CHAINS {
        insert(
            &mut order,
            (chain - 1) * LENGTH,
            &[(chain + 1) * LENGTH - 1],
        )
        .unwrap();
        assert_levels_fit(&order);
    }
    let levels = order.nodes.entries().iter().map(|node| node.level);
    let highest = levels.max().unwrap() as usize;
    let edges = order.edges.len();
    assert!(highest > 0);
    assert!(
        highest <= 2 * edges.isqrt(),
        "{highest} levels, {edges} edges"
    );
}

#[test]
fn marks_of_a_stamp_that_comes_round_again_do_not_count() {
    let mut order = order_of(2);
    order.clear_marks();
    assert!(order.mark(node(0)));
    assert!(!order.mark(node(0)));
    order.stamp = u32::MAX;
    assert!(order.mark(node(1)));
    order.clear_marks();
    assert!(order.mark(node(0)));
    assert!(order.mark(node(1)));
    assert!(!order.mark(node(1)));
}

#[test]
fn the_way_round_that_is_reported_is_a_shortest_one() {
    // 5 waits for 0 along a chain and by a short cut past most of it.
    let mut order = order_of(6);
    for dependent in 1..6 {
        insert(&mut order, dependent, &[dependent - 1]).unwrap();
    }
    insert(&mut order, 5, &[1]).unwrap();
    let cycle = insert(&mut order, 0, &[5]).unwrap_err();
    assert_eq!(cycle.path, vec![node(0), node(5), node(1), node(0)]);
    let cycle = insert(&mut order, 0, &[5, 3, 1]).unwrap_err();
    assert_eq!(cycle.path, vec![node(0), node(1), node(0)]);
}
