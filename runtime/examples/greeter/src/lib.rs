//! `greeter.v1.Greeter`, generated from `proto/greeter/v1/greeter.proto`: the service of the examples.

mod descriptors;
pub mod v1;

pub use descriptors::DESCRIPTORS;
