//! What the paths are.

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Page,
    Predict(Option<&'a str>),
    Metrics,
    Live,
    Ready,
    Server,
    Index,
    Model(Named<'a>),
    ModelReady(Named<'a>),
    Infer(Named<'a>),
}

/// A model as a path names it. Names need no escapes, and are only ever looked up among those served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub name: &'a str,
    pub version: Option<&'a str>,
}

impl<'a> Route<'a> {
    /// The route of a path; an error says which there are.
    pub fn of(path: &'a str) -> Result<Self, String> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (parts, version) = match parts[..] {
            ["v2", "models", name, "versions", version] => (vec!["v2", "models", name], Some(version)),
            ["v2", "models", name, "versions", version, last] => {
                (vec!["v2", "models", name, last], Some(version))
            }
            _ => (parts, None),
        };
        Ok(match parts[..] {
            [""] => Route::Page,
            ["predict"] => Route::Predict(None),
            ["predict", name] => Route::Predict(Some(name)),
            ["metrics"] => Route::Metrics,
            ["v2"] => Route::Server,
            ["v2", "health", "live"] => Route::Live,
            ["v2", "health", "ready"] => Route::Ready,
            ["v2", "repository", "index"] => Route::Index,
            ["v2", "models", name] => Route::Model(Named { name, version }),
            ["v2", "models", name, "ready"] => Route::ModelReady(Named { name, version }),
            ["v2", "models", name, "infer"] => Route::Infer(Named { name, version }),
            _ => {
                return Err(
                    "no such path; there are /, /predict, /predict/MODEL, /metrics, /v2, /v2/health/live, \
                            /v2/health/ready, /v2/repository/index, /v2/models/MODEL[/versions/VERSION], and \
                            /infer and /ready behind that"
                        .to_owned(),
                );
            }
        })
    }

    /// The only method, but for HEAD in place of GET.
    pub fn method(&self) -> &'static str {
        match self {
            Route::Predict(_) | Route::Index | Route::Infer(_) => "POST",
            _ => "GET",
        }
    }

    /// Whether it is answered without a token.
    pub fn is_open(&self) -> bool {
        matches!(self, Route::Page | Route::Live | Route::Ready)
    }

    /// As metrics call it.
    pub fn label(&self) -> &'static str {
        match self {
            Route::Page => "page",
            Route::Predict(_) => "predict",
            Route::Metrics => "metrics",
            Route::Live | Route::Ready => "health",
            Route::Server | Route::Index | Route::Model(_) | Route::ModelReady(_) => "metadata",
            Route::Infer(_) => "infer",
        }
    }
}
