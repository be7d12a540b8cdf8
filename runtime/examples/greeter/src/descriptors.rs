//! What the service is made of, as reflection wants it.

/// An encoded `FileDescriptorSet` of the service and all that it imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/greeter.bin"));
