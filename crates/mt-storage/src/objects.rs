//! Object stores, and what else has URLs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreScheme, parse_url_opts};
use url::{Position, Url};

use crate::by_url::ByUrl;
use crate::download::Download;
use crate::error::{Error, NoFile, Result};
use crate::object::{Place, error, runtime, wait};
use crate::partition::is_partition;
use crate::store::{Store, Version};
use crate::{parts::Parts, store::ReadAt};

/// Object stores by the beginnings of their URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
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
    fn files(
        &self,
        place: &Place,
        objects: Vec<ObjectMeta>,
        wanted: impl Fn(&ObjectMeta) -> Result<bool>,
    ) -> Result<Vec<PathBuf>> {
        let mut files: Vec<(PathBuf, ObjectMeta)> = Vec::new();
        for meta in objects {
            if wanted(&meta)? {
                files.push((place.url(&meta.location), meta));
            }
        }
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let names = files.iter().map(|(path, _)| path.clone()).collect();
        self.found().listed.extend(files);
        Ok(names)
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
                // What says that there is a partition is not what is in it.
                Ok(meta) if is_mark(&meta) => {}
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
        let name = |inner: &Key| inner.filename().unwrap_or_default().to_owned();
        let folders = || found.common_prefixes.iter().map(|inner| (inner, Folder::of(&name(inner))));
        if let Some((inner, _)) = folders().find(|(_, folder)| *folder == Folder::Other) {
            let path = place.url(inner);
            return Ok(Err(Error::NoFile(NoFile { path, found: "a folder" })));
        }
        let objects = match folders().any(|(_, folder)| folder == Folder::Partition) {
            true => all(&place)?,
            false => found.objects,
        };
        let within = behind(&place.key);
        let files = self.files(&place, objects, |meta| is_read(&place, meta, within));
        let or_file = |files: Vec<PathBuf>| match files.is_empty() && !entry.ends_with('/') {
            true => vec![path],
            false => files,
        };
        Ok(files.map(or_file))
    }

    /// The files that match an entry whose first special character is at `at`.
    fn pattern(&self, entry: &str, at: usize) -> io::Result<Result<Vec<PathBuf>>> {
        let folder = &entry[..entry[..at].rfind('/').map_or(at, |slash| slash + 1)];
        let place = self.place(folder)?;
        let text = &entry[folder.len()..];
        let only_folders = text.ends_with('/');
        let pattern = match glob::Pattern::new(text.trim_end_matches('/')) {
            Ok(pattern) => pattern,
            Err(source) => return Ok(Err(Error::Pattern { pattern: entry.to_owned(), source })),
        };
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let matches = |path: &str| pattern.matches_with(path, options);
        let within = behind(&place.key);
        let wanted = |meta: &ObjectMeta| {
            let path = meta.location.as_ref().get(within..).unwrap_or_default();
            let is_partition = |path: &str| Folder::of(path.rsplit('/').next().unwrap_or_default());
            let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            match folders.find(|path| matches(path) && is_partition(path) == Folder::Partition) {
                Some(folder) => is_read(&place, meta, within + folder.len() + 1),
                None => Ok(!only_folders && !is_mark(meta) && matches(path)),
            }
        };
        Ok(self.files(&place, all(&place)?, wanted))
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

/// What the name of a folder says of it.
#[derive(Debug, PartialEq, Eq)]
enum Folder {
    Partition,
    Hidden,
    Other,
}

impl Folder {
    fn of(name: &str) -> Self {
        match is_partition(name.as_bytes()) {
            true => Folder::Partition,
            false if name.starts_with(['.', '_']) => Folder::Hidden,
            false => Folder::Other,
        }
    }
}

/// All objects behind a place.
fn all(place: &Place) -> io::Result<Vec<ObjectMeta>> {
    let Place { store, key, .. } = place.clone();
    wait(async move { store.list(Some(&key)).try_collect::<Vec<_>>().await })
}

/// Where in a key the path within a folder begins.
fn behind(folder: &Key) -> usize {
    let length = folder.as_ref().len();
    if length == 0 { 0 } else { length + 1 }
}

/// Whether the reader of a folder, whose objects' keys go on from the byte `within`, reads an object. One in a folder that is
/// no partition is an error.
fn is_read(place: &Place, meta: &ObjectMeta, within: usize) -> Result<bool> {
    let key = meta.location.as_ref();
    let mut start = within;
    while let Some(length) = key.get(start..).and_then(|rest| rest.find('/')) {
        match Folder::of(&key[start..start + length]) {
            Folder::Partition => start += length + 1,
            Folder::Hidden => return Ok(false),
            Folder::Other => {
                let path = place.url(&Key::parse(&key[..start + length]).unwrap_or_default());
                return Err(Error::NoFile(NoFile { path, found: "a folder" }));
            }
        }
    }
    // Of the folder itself the name is empty.
    let name = key.get(start..).unwrap_or_default();
    Ok(!name.is_empty() && !is_mark(meta) && !name.starts_with(['.', '_']))
}

/// Whether an object is no file but says that there is a partition of its name.
fn is_mark(meta: &ObjectMeta) -> bool {
    meta.size == 0 && meta.location.filename().is_some_and(|name| is_partition(name.as_bytes()))
}
