//! Object stores, and what else has URLs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreScheme, parse_url_opts};
use url::{Position, Url};

use super::by_url::ByUrl;
use super::download::Download;
use super::object::{Place, error, runtime, wait};
use super::store::{Store, Version};
#[cfg(feature = "parquet")]
use super::{parts::Parts, store::ReadAt};
use crate::error::{Error, NoFile, Result};

/// Object stores by the beginnings of their URLs.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    /// What the caller has.
    own: ByUrl<dyn ObjectStore>,
    /// What was asked for so far.
    found: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    /// Stores that the environment has access to.
    stores: BTreeMap<String, Arc<dyn ObjectStore>>,
    /// What is known of the objects that were listed last.
    listed: BTreeMap<PathBuf, ObjectMeta>,
}

/// Whether both have the same stores of callers.
impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl Objects {
    /// Adds a caller's.
    pub fn add(&mut self, url: &str, store: Arc<dyn ObjectStore>) {
        self.own.add(url, store);
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, text: &str) -> io::Result<Place> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        let key = |path: &str| Key::from_url_path(path).map_err(|error| invalid(error.to_string()));
        if let Some((store, base, rest)) = self.own.find(text) {
            return Ok(Place { store: store.clone(), key: key(rest)?, base: base.to_owned(), listed: true });
        }
        let url = Url::parse(text).map_err(|error| invalid(format!("no URL: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(
                "expected a URL without \"?\" and \"#\", which would be lost; write them as %3F and %23"
                    .to_owned(),
            ));
        }
        let unknown = || invalid("expected s3://, gs://, az://, http:// or https://".to_owned());
        let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|_| unknown())?;
        if !is_remote(&scheme) {
            return Err(unknown());
        }
        // The store's own URL: all before the key.
        let folders: Vec<&str> = url.path().split('/').filter(|folder| !folder.is_empty()).collect();
        let own = folders.len().saturating_sub(path.parts().count());
        let base = folders[..own]
            .iter()
            .fold(url[..Position::BeforePath].to_owned(), |base, folder| base + "/" + folder);
        let known = self.found().stores.get(&base).cloned();
        let store = match known {
            Some(store) => store,
            None => {
                let store = connect(&url, &scheme)?;
                self.found().stores.entry(base.clone()).or_insert(store).clone()
            }
        };
        let listed = scheme != ObjectStoreScheme::Http;
        Ok(Place { store, key: path, base, listed })
    }

    fn place_of(&self, path: &Path) -> io::Result<Place> {
        // Paths that come here are URLs, which are text.
        self.place(path.to_str().unwrap_or_default())
    }

    /// What is known of an object.
    fn meta(&self, path: &Path) -> io::Result<(Place, ObjectMeta)> {
        let place = self.place_of(path)?;
        let listed = self.found().listed.get(path).cloned();
        let meta = match listed {
            Some(meta) => meta,
            None => place.head()?,
        };
        Ok((place, meta))
    }

    /// The files among these that are wanted, in order.
    fn files(&self, place: &Place, objects: Vec<ObjectMeta>, wanted: impl Fn(&Key) -> bool) -> Vec<PathBuf> {
        let objects = objects.into_iter().filter(|meta| wanted(&meta.location));
        let mut files: Vec<(PathBuf, ObjectMeta)> =
            objects.map(|meta| (place.url(&meta.location), meta)).collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let names = files.iter().map(|(path, _)| path.clone()).collect();
        self.found().listed.extend(files);
        names
    }

    /// The files that an entry stands for.
    fn look(&self, entry: &str) -> io::Result<Result<Vec<PathBuf>>> {
        // A server of files has no patterns: what looks like one is part of a name.
        let http = entry.starts_with("http://") || entry.starts_with("https://");
        let special = entry.find(['*', '?', '[']).filter(|_| !http);
        match special {
            Some(at) => self.pattern(entry, at),
            None => self.file_or_folder(entry),
        }
    }

    fn file_or_folder(&self, entry: &str) -> io::Result<Result<Vec<PathBuf>>> {
        let (place, path) = (self.place(entry)?, PathBuf::from(entry));
        self.found().listed.remove(&path);
        if !entry.ends_with('/') {
            match place.head() {
                Ok(meta) => {
                    self.found().listed.insert(path.clone(), meta);
                    return Ok(Ok(vec![path]));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && place.listed => {}
                Err(error) => return Err(error),
            }
        } else if !place.listed {
            return Err(io::Error::other("a server of files does not say which it has; name each"));
        }
        let Place { store, key, .. } = place.clone();
        let found = wait(async move { store.list_with_delimiter(Some(&key)).await })?;
        if let Some(inner) = found.common_prefixes.iter().find(|inner| !is_hidden(inner)) {
            let path = place.url(inner);
            return Ok(Err(Error::NoFile(NoFile { path, found: "a folder" })));
        }
        let files = self.files(&place, found.objects, |key| !is_hidden(key) && *key != place.key);
        Ok(Ok(if files.is_empty() && !entry.ends_with('/') { vec![path] } else { files }))
    }

    /// The files that match an entry whose first special character is at `at`.
    fn pattern(&self, entry: &str, at: usize) -> io::Result<Result<Vec<PathBuf>>> {
        let folder = &entry[..entry[..at].rfind('/').map_or(at, |slash| slash + 1)];
        let place = self.place(folder)?;
        let pattern = match glob::Pattern::new(&entry[folder.len()..]) {
            Ok(pattern) => pattern,
            Err(source) => return Ok(Err(Error::Pattern { pattern: entry.to_owned(), source })),
        };
        let Place { store, key, .. } = place.clone();
        let objects = wait(async move { store.list(Some(&key)).try_collect::<Vec<_>>().await })?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let matches = |key: &Key| {
            let rest = key.as_ref().strip_prefix(place.key.as_ref()).unwrap_or_default();
            pattern.matches_with(rest.trim_start_matches('/'), options)
        };
        Ok(Ok(self.files(&place, objects, matches)))
    }
}

impl Store for Objects {
    fn list(&self, entry: &str) -> Result<Vec<PathBuf>> {
        self.look(entry).map_err(|source| Error::Read { path: entry.into(), source })?
    }

    fn version(&self, path: &Path) -> io::Result<Option<Version>> {
        let (_, meta) = self.meta(path)?;
        let modified = meta.last_modified.timestamp_nanos_opt().and_then(|ns| u64::try_from(ns).ok());
        Ok(Some(Version { bytes: meta.size, modified: modified.unwrap_or_default(), tag: meta.e_tag }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        let (place, meta) = self.meta(path)?;
        Ok(Box::new(Download::start(runtime()?, place, meta)))
    }

    #[cfg(feature = "parquet")]
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        let (place, meta) = self.meta(path)?;
        Ok(Box::new(Parts::open(place, &meta)?))
    }
}

fn is_remote(scheme: &ObjectStoreScheme) -> bool {
    use ObjectStoreScheme::{AmazonS3, GoogleCloudStorage, Http, MicrosoftAzure};
    matches!(scheme, AmazonS3 | GoogleCloudStorage | Http | MicrosoftAzure)
}

/// The store of a URL, with what the environment says of it.
fn connect(url: &Url, scheme: &ObjectStoreScheme) -> io::Result<Arc<dyn ObjectStore>> {
    // Whoever installed another one before wants that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Not all of the environment: `TOKEN` or `REGION` may be anyone's.
    let prefix = match scheme {
        ObjectStoreScheme::AmazonS3 => Some("AWS_"),
        ObjectStoreScheme::GoogleCloudStorage => Some("GOOGLE_"),
        ObjectStoreScheme::MicrosoftAzure => Some("AZURE_"),
        _ => None,
    };
    let mut options: Vec<(String, String)> = std::env::vars()
        .filter(|(name, value)| prefix.is_some_and(|prefix| name.starts_with(prefix)) && !value.is_empty())
        .collect();
    let endpoint =
        options.iter().find(|(name, value)| name.contains("ENDPOINT") && Url::parse(value).is_err());
    if let Some((name, _)) = endpoint {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: expected a URL")));
    }
    // Who writes an address without encryption means it.
    let endpoint =
        options.iter().any(|(name, value)| name.contains("ENDPOINT") && value.starts_with("http://"));
    if endpoint || url.scheme() == "http" {
        options.push(("allow_http".to_owned(), "true".to_owned()));
    }
    let (store, _) = parse_url_opts(url, options).map_err(error)?;
    Ok(store.into())
}

/// Whether a folder's reader leaves it out.
fn is_hidden(key: &Key) -> bool {
    key.filename().is_some_and(|name| name.starts_with(['.', '_']))
}
