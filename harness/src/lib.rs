//! Test fixtures for servers: the production path on an ephemeral port.
