//! `greeter.v1.Greeter`, generated from `proto/greeter/v1/greeter.proto`: the service of the examples.

/// Messages, client and server.
pub mod v1 {
    tonic::include_proto!("greeter.v1");
}

/// All of it, as reflection wants it.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/greeter.bin"));
