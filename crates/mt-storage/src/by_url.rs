//! What callers have, by the beginnings of URLs.

use std::sync::Arc;

/// Stores or sources, each behind a URL of its own.
#[derive(Debug)]
pub(crate) struct ByUrl<T: ?Sized>(Vec<(String, Arc<T>)>);

// Derived, they would ask the same of what is shared.
impl<T: ?Sized> Default for ByUrl<T> {
    fn default() -> Self {
        ByUrl(Vec::new())
    }
}

impl<T: ?Sized> Clone for ByUrl<T> {
    fn clone(&self) -> Self {
        ByUrl(self.0.clone())
    }
}

/// Whether both have the same ones, not only some of one kind.
impl<T: ?Sized> PartialEq for ByUrl<T> {
    fn eq(&self, other: &Self) -> bool {
        let same = |((one, a), (other, b)): (&(String, _), &(String, _))| one == other && Arc::ptr_eq(a, b);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl<T: ?Sized> ByUrl<T> {
    /// One more.
    pub fn add(&mut self, url: &str, what: Arc<T>) {
        self.0.push((url.trim_end_matches('/').to_owned(), what));
    }

    /// Which one has a URL: its own URL, and what stands behind that and a slash.
    pub fn find<'a>(&'a self, url: &'a str) -> Option<(&'a Arc<T>, &'a str, &'a str)> {
        self.0.iter().find_map(|(base, what)| {
            let rest = url.strip_prefix(base.as_str())?;
            let rest = if rest.is_empty() { Some("") } else { rest.strip_prefix('/') };
            rest.map(|rest| (what, base.as_str(), rest))
        })
    }
}
