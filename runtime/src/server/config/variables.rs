//! The variables of an environment, read under one set of rules (floor 3).
//!
//! **Invariant:** a value is taken as it stands: nothing is trimmed, rounded, coerced or looked up.
//! **Invariant:** values are never printed, but for the one that an error is about.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use lamplighter_lifecycle::Plan;

use super::ConfigError;

/// The environment as it was at one instant, for a program to read its own variables from.
///
/// With the rules of [`Config`](super::Config) and its errors: unset is `None`, everything else is a
/// value that is allowed or an error that names it.
///
/// ```
/// use std::time::Duration;
/// use lamplighter::{Config, Variables};
///
/// # let environment = [("START_DELAY_MS", "250"), ("DATABASE_URL", "postgres://u:p@db/orders")];
/// let variables = Variables::from_vars(environment) // in a program: Variables::from_env()
///     .with_default("LISTEN", "127.0.0.1")
///     .secret("DATABASE_URL");
/// let start_delay = variables.millis("START_DELAY_MS")?.unwrap_or_default();
/// let log_level = variables.one_of("LOG_LEVEL", &["debug", "info", "warn"])?.unwrap_or("info");
/// let database = variables.text("DATABASE_URL")?;
/// let config = Config::read(&variables)?;
///
/// assert_eq!((start_delay, log_level), (Duration::from_millis(250), "info"));
/// assert_eq!(database, Some("postgres://u:p@db/orders"));
/// assert_eq!(config.address().to_string(), "127.0.0.1:5000");
/// # Ok::<(), lamplighter::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct Variables {
    values: BTreeMap<OsString, OsString>,
    /// Those that were not set, and are the program's own.
    defaults: BTreeSet<OsString>,
    secrets: BTreeSet<String>,
}

impl Variables {
    /// The environment of this process, as it is now. Later changes are not seen.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(std::env::vars_os())
    }

    /// These variables; of two with one name the first counts, as for `getenv`.
    pub fn from_vars<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut values = BTreeMap::new();
        for (name, value) in variables {
            values.entry(name.into()).or_insert_with(|| value.into());
        }
        Self {
            values,
            defaults: BTreeSet::new(),
            secrets: BTreeSet::new(),
        }
    }

    /// Sets `name` to `value` if it is not set. One that is set and empty stays empty.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: impl Into<OsString>) -> Self {
        if !self.is_set(name) {
            self.values.insert(name.into(), value.into());
            self.defaults.insert(name.into());
        }
        self
    }

    /// Whether the value of `name` is the program's own default.
    pub(super) fn is_default(&self, name: &str) -> bool {
        self.defaults.contains(OsStr::new(name))
    }

    /// Keeps the value of `name` out of every error.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.secrets.insert(name.into());
        self
    }

    /// Whether `name` is set, to whatever it may be.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(OsStr::new(name))
    }

    /// Reads any text but the empty one.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        self.read(name, "any text", Some)
    }

    /// Reads one of a few words, exactly as they are written here.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn one_of<'a>(
        &self,
        name: &str,
        allowed: &[&'a str],
    ) -> Result<Option<&'a str>, ConfigError> {
        self.read(
            name,
            format_args!("one of {}", allowed.join(", ")),
            |text| allowed.iter().find(|word| **word == text).copied(),
        )
    }

    /// Reads a whole number within `allowed`: decimal digits and nothing else.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn number(
        &self,
        name: &str,
        allowed: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        self.decimal(name, allowed, "")
    }

    /// Reads a whole number of milliseconds, from 0 to [`Plan::MAX`].
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn millis(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.millis_from(name, 0)
    }

    /// Reads anything: `parse` has the value's text, and says `None` if it is not `allowed`.
    ///
    /// `None` if the variable is not set.
    ///
    /// # Errors
    ///
    /// If the variable is empty, is not UTF-8, or is not what `parse` takes. The error says
    /// `allowed is …`, with `allowed` in the place of the dots.
    pub fn read<'v, T>(
        &'v self,
        name: &str,
        allowed: impl fmt::Display,
        parse: impl FnOnce(&'v str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.values.get(OsStr::new(name)) else {
            return Ok(None);
        };
        let (variable, allowed) = (name.into(), allowed.to_string());
        let Some(text) = value.to_str() else {
            let value = self.unless_secret(name, value.to_string_lossy());
            return Err(ConfigError::NotUtf8 {
                variable,
                value,
                allowed,
            });
        };
        if text.is_empty() {
            return Err(ConfigError::Empty { variable, allowed });
        }
        parse(text)
            .map(Some)
            .ok_or_else(|| ConfigError::NotAllowed {
                variable,
                value: self.unless_secret(name, text),
                allowed,
            })
    }

    /// Whether a variable that somebody else sets, by rules of their own, says anything.
    pub(super) fn is_filled(&self, name: &str) -> bool {
        self.values
            .get(OsStr::new(name))
            .is_some_and(|value| !value.is_empty())
    }

    /// [`millis`](Self::millis), for a time that means nothing as zero.
    pub(super) fn millis_above_zero(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.millis_from(name, 1)
    }

    /// Reads decimal digits into the integer that the caller needs; `unit` begins with a space.
    pub(super) fn decimal<N>(
        &self,
        name: &str,
        allowed: RangeInclusive<N>,
        unit: &str,
    ) -> Result<Option<N>, ConfigError>
    where
        N: PartialOrd + fmt::Display + std::str::FromStr,
    {
        let (least, most) = (allowed.start(), allowed.end());
        let phrase = format_args!("{least} to {most}{unit} in decimal digits");
        self.read(name, phrase, |text| {
            // `FromStr` would take a sign.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = if digits { text.parse().ok() } else { None };
            number.filter(|number| allowed.contains(number))
        })
    }

    fn millis_from(&self, name: &str, least: u64) -> Result<Option<Duration>, ConfigError> {
        let most = u64::try_from(Plan::MAX.as_millis()).unwrap_or(u64::MAX);
        let millis = self.decimal(name, least..=most, " milliseconds")?;
        Ok(millis.map(Duration::from_millis))
    }

    fn unless_secret(&self, name: &str, value: impl Into<String>) -> Option<String> {
        (!self.secrets.contains(name)).then(|| value.into())
    }
}

/// Names only: an environment is full of other people's secrets.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
