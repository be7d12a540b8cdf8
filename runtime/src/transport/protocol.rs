//! What a server speaks beside its application: the settings of health and reflection (floor 2).
//!
//! **Invariant:** setting one never fails: what does not hold is refused by the start.

use std::sync::Arc;

use lamplighter_lifecycle::Probes;

use super::health::Health;
use super::health::http::HttpHealth;
use super::infrastructure::Infrastructure;
#[cfg(feature = "grpc")]
use super::reflection::Reflection;
use super::shutdown_signal::ShutdownSignal;
use crate::os::listener::Bind;

/// Something that a server speaks beside its application, outside of its layers: [`Healthcheck`] and,
/// with the feature `grpc`, `Reflection`. It cannot be implemented otherwise.
pub trait ServerProtocol: sealed::Add {}

impl ServerProtocol for Healthcheck {}
#[cfg(feature = "grpc")]
impl ServerProtocol for Reflection {}

pub(crate) mod sealed {
    /// Adds a protocol to those of a server.
    #[expect(
        unnameable_types,
        reason = "it seals `ServerProtocol`: whoever could name it could implement it"
    )]
    pub trait Add {
        #[doc(hidden)]
        fn add(self, to: &mut super::Protocols);
    }
}

/// The health of a server for others to ask: over gRPC (`grpc.health.v1`, with the feature `grpc`),
/// and over HTTP where [`http`](Self::http) says so.
///
/// It answers in every phase, before anything of the application is asked: alive at once, ready from
/// Ready to the cause of a stop. No layer of the application wraps it.
#[derive(Debug, Default)]
#[must_use = "it does nothing until `Server::protocol` is given it"]
pub struct Healthcheck {
    http: Option<HttpHealth>,
    listen: Option<Bind>,
}

impl Healthcheck {
    /// Health over gRPC, on the listeners of the server.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers over HTTP as well.
    pub fn http(mut self, http: HttpHealth) -> Self {
        self.http = Some(http);
        self
    }

    /// Answers on a listener of its own as well, an admin listener, which is outside of the phases of
    /// a stop: it answers from the moment it is bound until everything else is over, and its
    /// requests are no work that a stop waits for or reports. Reflection answers there too, the
    /// application does not.
    ///
    /// It is bound together with the others, all or none. Its address has the name that the
    /// [`Bind`] was given.
    pub fn listen(mut self, bind: impl Into<Bind>) -> Self {
        self.listen = Some(bind.into());
        self
    }
}

impl sealed::Add for Healthcheck {
    fn add(self, to: &mut Protocols) {
        if to.health.replace(self).is_some() {
            to.refused
                .get_or_insert(ProtocolError::Twice("Healthcheck"));
        }
    }
}

#[cfg(feature = "grpc")]
impl sealed::Add for Reflection {
    fn add(self, to: &mut Protocols) {
        if to.reflection.replace(self).is_some() {
            to.refused.get_or_insert(ProtocolError::Twice("Reflection"));
        }
    }
}

/// What stands in the way of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A server can have each protocol once.
    #[error("the protocol {0} was given twice; a server has each of them once")]
    Twice(&'static str),
    /// A path of health over HTTP is none.
    #[error(
        "the health path {path:?} is none: it has to begin with `/`, to be visible ASCII without `?` \
         and `#`, and not to be /livez"
    )]
    HealthPath {
        /// The path.
        path: String,
    },
    /// A descriptor set for reflection cannot be read.
    #[error(
        "descriptor set {number} of the reflection is not an encoded FileDescriptorSet: {reason}"
    )]
    Descriptors {
        /// Its place among those that were given, from 0.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// All the protocols of one server.
#[derive(Debug, Default)]
#[expect(
    unnameable_types,
    reason = "it appears in the sealed trait alone, which nobody outside calls"
)]
pub struct Protocols {
    health: Option<Healthcheck>,
    #[cfg(feature = "grpc")]
    reflection: Option<Reflection>,
    refused: Option<ProtocolError>,
}

impl Protocols {
    /// Refuses what does not hold, without binding.
    pub(crate) fn check(&self) -> Result<(), ProtocolError> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        let http = self.health.as_ref().and_then(|health| health.http.as_ref());
        if let Some(path) = http.and_then(HttpHealth::refused) {
            return Err(ProtocolError::HealthPath { path: path.into() });
        }
        #[cfg(feature = "grpc")]
        if let Some(reflection) = &self.reflection {
            reflection.answering(self.health.is_some())?;
        }
        Ok(())
    }

    /// What a kubelet can ask.
    pub(crate) const fn probes(&self) -> Probes {
        match &self.health {
            Some(Healthcheck { http: Some(_), .. }) => Probes::Http,
            Some(_) if cfg!(feature = "grpc") => Probes::Grpc,
            Some(_) | None => Probes::Nothing,
        }
    }

    /// The address of the admin listener.
    pub(crate) fn bind(&self) -> Option<&Bind> {
        self.health.as_ref()?.listen.as_ref()
    }

    /// The address of the admin listener, once.
    pub(crate) fn take_bind(&mut self) -> Option<Bind> {
        self.health.as_mut()?.listen.take()
    }

    /// What answers; `None` if nothing does, or if something was refused.
    pub(crate) fn build(
        self,
        health: &Health,
        signal: &ShutdownSignal,
    ) -> Option<Arc<Infrastructure>> {
        let Self {
            health: healthcheck,
            #[cfg(feature = "grpc")]
            reflection,
            refused: _,
        } = self;
        let has_health = healthcheck.is_some();
        #[cfg(feature = "grpc")]
        let reflection = reflection.and_then(|reflection| {
            for service in reflection.service_names().ok()? {
                health.introduce(service);
            }
            reflection.answering(has_health).ok()
        });
        #[cfg(feature = "grpc")]
        let reflects = reflection.is_some();
        #[cfg(not(feature = "grpc"))]
        let reflects = false;
        if !has_health && !reflects {
            return None;
        }
        Some(Arc::new(Infrastructure {
            health: health.clone(),
            signal: signal.clone(),
            http: healthcheck.and_then(|health| health.http),
            #[cfg(feature = "grpc")]
            grpc_health: has_health,
            #[cfg(feature = "grpc")]
            reflection,
        }))
    }
}
