//! An axum app: `curl http://127.0.0.1:5000/`, and Ctrl-C.
#![expect(clippy::print_stdout, reason = "it says where it is ready")]

use axum::{Router, extract::Path, routing::get};
use lamplighter::{Report, Server};

fn main() -> Report {
    let app = Router::new()
        .route("/", get(|| async { "Hello, World!\n" }))
        .route(
            "/hello/{name}",
            get(|Path(name): Path<String>| async move { format!("Hello, {name}!\n") }),
        );
    let server = Server::from_env(app);
    server.on_ready(|ready| println!("ready on http://{}", ready.addr()));
    lamplighter::block_on(server.run())
}
