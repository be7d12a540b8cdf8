//! Messages, client and server, as the build script has generated them.

tonic::include_proto!("greeter.v1");
