//! Health over HTTP: which paths ask what, and the JSON that answers (floor 2).
//!
//! **Invariant:** liveness asks nobody: a component that is down is no reason to kill the server.
//! **Invariant:** why a check is red is told only where that was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::{Health, ServingStatus};
use crate::os::process;

/// The health of a server over HTTP, for probes and balancers: GET or HEAD, 200 or 503, and a JSON
/// body that says why.
///
/// | path | question |
/// |---|---|
/// | `/healthz`, `/health`, `/readyz`, and those of [`path`](Self::path) | should it get traffic? |
/// | `/livez` | is it alive? 200 for as long as it answers, whatever is down |
///
/// They take precedence over the application's routes, and its layers do not wrap them. Every other
/// method gets 405. Answers are never to be cached.
#[derive(Clone, Debug, Default)]
pub struct HttpHealth {
    paths: Vec<String>,
    details: Details,
}

/// Where it is told what not everybody should see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Details {
    #[default]
    Nowhere,
    OnAdmin,
    Everywhere,
}

/// What a path asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Readiness,
    Liveness,
}

const LIVE: &str = "/livez";
const READY: [&str; 3] = ["/healthz", "/health", "/readyz"];

impl HttpHealth {
    /// Answers on this path too, as on `/healthz`. It has to begin with a slash and to have no query;
    /// one that does not is refused by the start.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds to the answers what not everybody should see: why a check is red, the components one by
    /// one, and how much memory the process takes.
    #[must_use]
    pub fn with_details(mut self) -> Self {
        self.details = Details::Everywhere;
        self
    }

    /// Adds the same to the answers of the admin listener alone: see [`Healthcheck::listen`].
    ///
    /// [`Healthcheck::listen`]: crate::Healthcheck::listen
    #[must_use]
    pub fn with_details_on_admin(mut self) -> Self {
        self.details = self.details.max(Details::OnAdmin);
        self
    }

    /// The same, as the admin listener answers.
    pub(crate) fn for_admin(&self) -> Self {
        let mut admin = self.clone();
        if admin.details == Details::OnAdmin {
            admin.details = Details::Everywhere;
        }
        admin
    }

    /// The first path that is none.
    pub(crate) fn refused(&self) -> Option<&str> {
        let refused = |path: &&String| {
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
            !path.starts_with('/') || path.as_str() == LIVE || !path.chars().all(plain)
        };
        self.paths.iter().find(refused).map(String::as_str)
    }

    /// What a request to this path asks; `None` if it is none of ours.
    #[inline]
    pub(crate) fn question(&self, path: &str) -> Option<Question> {
        if path == LIVE {
            Some(Question::Liveness)
        } else if READY.contains(&path) || self.paths.iter().any(|own| own == path) {
            Some(Question::Readiness)
        } else {
            None
        }
    }

    /// Answers.
    pub(crate) async fn answer(
        &self,
        health: &Health,
        question: Question,
        method: &Method,
    ) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        if method != Method::GET && method != Method::HEAD {
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
        } else {
            let status = match question {
                Question::Liveness => ServingStatus::Serving,
                Question::Readiness => health.assess().await,
            };
            *answer.status_mut() = match status {
                ServingStatus::Serving => StatusCode::OK,
                ServingStatus::NotServing => StatusCode::SERVICE_UNAVAILABLE,
            };
            let json = HeaderValue::from_static("application/json");
            answer.headers_mut().insert(CONTENT_TYPE, json);
            // Numbers and texts: serialising them into memory does not fail.
            *answer.body_mut() = serde_json::to_vec(&self.content(health, question, status))
                .unwrap_or_default()
                .into();
        }
        let never = HeaderValue::from_static("no-store");
        answer.headers_mut().insert(CACHE_CONTROL, never);
        answer
    }

    fn content(&self, health: &Health, question: Question, status: ServingStatus) -> Content {
        let details = self.details == Details::Everywhere;
        let asks = question == Question::Readiness;
        let mut checks = BTreeMap::new();
        let asked = if asks { health.checks() } else { Vec::new() };
        for check in asked {
            let Some(latest) = check.latest() else {
                continue;
            };
            let error = latest.answer.err();
            let entry = CheckContent {
                ok: error.is_none(),
                latency_ms: milliseconds(latest.took),
                error: error.filter(|_| details).map(|error| error.to_string()),
            };
            let named = checks.entry(check.name().to_owned());
            // Two checks may have one name: the one that is down is the one to be seen.
            let named = named.or_insert_with(|| entry.clone());
            if named.ok {
                *named = entry;
            }
        }
        let components = || health.components().into_iter();
        Content {
            status: status.as_str(),
            checks,
            components: (asks && details).then(|| {
                components()
                    .map(|(name, status)| (name.to_string(), status.as_str()))
                    .collect()
            }),
            uptime_s: milliseconds(health.uptime()).round() / 1000.0,
            memory: details
                .then(process::resident_bytes)
                .flatten()
                .map(|resident_bytes| Memory { resident_bytes }),
        }
    }
}

/// The body of an answer.
#[derive(Serialize)]
struct Content {
    status: &'static str,
    checks: BTreeMap<String, CheckContent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<BTreeMap<String, &'static str>>,
    uptime_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
}

#[derive(Clone, Serialize)]
struct CheckContent {
    ok: bool,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Memory {
    resident_bytes: u64,
}

/// With three decimals, as everywhere.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
