//! Where `show`, `check` and `export` find documents: a path, or else the cache.

use std::path::PathBuf;

use anyhow::Result;
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::{now, parse_time};
use crate::authenticate::Authenticator;
use crate::documents::{self, Documents};
use crate::input::shown;
use crate::sources::keeper::cache_folder;
use crate::sources::{config, trust_anchor};

#[derive(clap::Args)]
pub(super) struct PlaceArgs {
    /// A bundle, an archive, a folder of parts, or the folder of a cache [default: the cache]
    #[arg(value_name = "PATH")]
    place: Option<PathBuf>,

    /// As of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// The cache [default: $XDG_CACHE_HOME/tdattest; without that ~/.cache/tdattest, for root /var/cache/tdattest]
    #[arg(long, value_name = "DIR", conflicts_with = "place")]
    cache_dir: Option<PathBuf>,

    /// Read the configuration from this file [default: ~/.config/tdattest/config.toml, then /etc/tdattest/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What was found there, and how it is to be looked at.
pub(super) struct Place {
    pub(super) documents: Documents,
    /// The place, for people.
    pub(super) name: String,
    pub(super) authenticate: Authenticator,
    pub(super) now: UnixTime,
}

impl PlaceArgs {
    /// Reads the place. The inner error is a sentence: it cannot be read, or nothing is there.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub(super) fn read(&self) -> Result<Result<Place, String>> {
        let config = config::read(self.config.as_deref())?;
        let anchor = trust_anchor(self.root.as_deref().or(config.root.as_deref()))?;
        let now = self.at.map_or_else(now, Ok)?;
        Ok(self.documents(&config, &anchor).map(|(documents, name)| Place {
            documents,
            name,
            authenticate: Authenticator::new(anchor),
            now,
        }))
    }

    fn documents(
        &self,
        config: &config::Config,
        anchor: &TrustAnchor,
    ) -> Result<(Documents, String), String> {
        let (documents, name) = match &self.place {
            Some(place) => (documents::at(place, anchor)?, shown(place)),
            None => {
                let folder = self.cache(config, anchor)?;
                (documents::of_cache(&folder)?, format!("the cache {}", shown(&folder)))
            }
        };
        if documents.found.is_empty() && documents.faults.is_empty() {
            return Err(format!("nothing is kept in {name}"));
        }
        Ok((documents, name))
    }

    fn cache(&self, config: &config::Config, anchor: &TrustAnchor) -> Result<PathBuf, String> {
        let given = self.cache_dir.clone().or_else(|| config.cache_dir.clone());
        let folder = given.or_else(config::default_cache_dir);
        let folder = folder.ok_or("there is no cache: neither XDG_CACHE_HOME nor HOME is set")?;
        Ok(cache_folder(&folder, anchor))
    }
}

/// What to do when there is nothing to look at.
pub(super) const REMEDY: &str = "fetch something first: tdattest collateral fetch QUOTE; or name a bundle, an archive or a folder";
