//! Services of one's own in the simulator: their hosts, their visitors, their laws, and what a failure
//! says.
//!
//! **Invariant:** each service here is made as a `main` would make it.

#[path = "own/campaigns.rs"]
mod campaigns;
#[path = "own/hosts.rs"]
mod hosts;
#[path = "own/stage.rs"]
mod stage;
#[path = "own/visitors.rs"]
mod visitors;
