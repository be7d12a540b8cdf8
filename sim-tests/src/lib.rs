//! A deterministic simulator for the life of a server.
