//! From an HTTP request to its answer.

mod body;
mod reply;
mod route;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, EXPECT, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode, Version};
use mt_features::error::Nearest;
use tokio::sync::Semaphore;
use tracing::{debug, info};

use self::body::{Body, INLINE, Sender};
use self::reply::{Answer, bytes, fault, json, page, text};
use self::route::{Named, Route};
use crate::config::{Config, Limits};
use crate::fault::Fault;
use crate::metrics::{Counted, Metrics};
use crate::models::{Model, Models};
use crate::peer::Peer;
use crate::predict::{self, Answered};
use crate::shares::Shares;
use crate::token::Secret;
use crate::v2;

/// The header that names a request, in its answer and the log.
const REQUEST_ID: &str = "x-request-id";

/// What answers requests.
pub(crate) struct Service {
    pub models: Models,
    pub metrics: Metrics,
    pub token: Option<Secret>,
    limits: Limits,
    /// Requests that are computed, or wait for it.
    slots: Semaphore,
    /// Of these, those that may wait: others are computed by the thread that read them, and always find a slot.
    queue: Semaphore,
    /// Large requests computed at once, one a core.
    large: Semaphore,
    /// The memory for bodies.
    bodies: Arc<Shares>,
    draining: AtomicBool,
    /// Tells ids of this process from those of the one before.
    born: u32,
    requests: AtomicU64,
}

impl Service {
    /// # Errors
    /// For a token that is none.
    pub fn new(models: Models, metrics: Metrics, config: &Config) -> crate::error::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (limits, threads) = (config.limits.clone(), config.threads.get());
        Ok(Self {
            models,
            metrics,
            token: config.token.as_ref().map(Secret::new).transpose()?,
            slots: Semaphore::new(limits.requests),
            queue: Semaphore::new(limits.requests.saturating_sub(threads).max(1)),
            large: Semaphore::new(threads),
            // As it grows, a body takes up to twice its size.
            bodies: Shares::new(limits.bodies.max(limits.body.saturating_mul(2))),
            limits,
            draining: AtomicBool::new(false),
            born: now.as_millis() as u32,
            requests: AtomicU64::new(0),
        })
    }

    /// From now on, clients are sent away.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Result<Answer, Infallible> {
        let start = Instant::now();
        peer.touch();
        let _under_way = Counted::new(&self.metrics.in_flight);
        let (head, body) = request.into_parts();
        let mut body = Body::new(body);
        let (id, http1) = (self.id(&head.headers), head.version < Version::HTTP_2);
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let waits = head.headers.contains_key(EXPECT);
        let route = Route::of(&path);
        let answered = match &route {
            Ok(route) => self.route(route, head, &mut body, &peer).await,
            Err(fault) => Err(Fault::not_found(fault.clone())),
        };
        let label = route.as_ref().map_or("unknown", Route::label);
        let mut answer = match answered {
            Ok(answer) => {
                debug!(id = id.to_str().unwrap_or_default(), %method, path, status = answer.status().as_u16(),
                    microseconds = start.elapsed().as_micros() as u64, "answered");
                answer
            }
            Err(Fault { status, message }) => {
                info!(id = id.to_str().unwrap_or_default(), %method, path, status = status.as_u16(),
                    microseconds = start.elapsed().as_micros() as u64, error = message, "refused");
                let allow = route.as_ref().map_or("", Route::method);
                fault(status, &message, id.to_str().unwrap_or_default(), allow)
            }
        };
        answer.headers_mut().insert(REQUEST_ID, id);
        let stays = body.is_read() || self.take_rest(body, waits, answer.status(), &peer);
        if http1 && (self.draining() || !stays) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        peer.touch();
        self.metrics.answered(label, answer.status().as_u16(), start.elapsed());
        Ok(answer)
    }

    /// Takes the rest of a body that was not read, if it is as short as one may be, so that the next request can follow.
    /// Else the connection is closed, and so it is where the client was too slow, or waits to be told to send the body.
    fn take_rest(&self, body: Body, waits: bool, status: StatusCode, peer: &Peer) -> bool {
        let stays = body.is_short(&self.limits) && !waits && status != StatusCode::REQUEST_TIMEOUT;
        if stays {
            tokio::spawn(body.discard(self.limits.receive));
        } else {
            peer.leave_unread();
        }
        stays
    }

    /// The client's id of the request, or a new one.
    fn id(&self, headers: &HeaderMap) -> HeaderValue {
        let plain = |id: &&HeaderValue| {
            (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let id = format!("{:08x}-{number:x}", self.born);
            HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
        })
    }

    async fn route(
        &self,
        route: &Route<'_>,
        head: Parts,
        body: &mut Body,
        peer: &Peer,
    ) -> Result<Answer, Fault> {
        let method = head.method.as_str();
        if method != route.method() && !(method == "HEAD" && route.method() == "GET") {
            let message = format!("expected {}, found {method}", route.method());
            return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, message));
        }
        if !route.is_open() {
            self.check_token(&head.headers)?;
        }
        match route {
            Route::Page => Ok(page()),
            Route::Live => Ok(json(&v2::Live { live: true })),
            Route::Ready if self.draining() => Err(Fault::unavailable("the server is about to stop")),
            Route::Ready => Ok(json(&v2::Ready { ready: true })),
            Route::Metrics => Ok(text(self.metrics.text())),
            Route::Server => Ok(json(&v2::server())),
            Route::Index => Ok(json(&v2::index(self.models.all().values().map(AsRef::as_ref)))),
            Route::Model(named) => Ok(json(&v2::metadata(&*self.model(named)?))),
            Route::ModelReady(named) => {
                self.model(named)?;
                Ok(json(&v2::Ready { ready: true }))
            }
            Route::Predict(name) => {
                let named = name.map(|name| Named { name, version: None });
                let compute = |model: &_, body: &_, _, limit| predict::answer(model, body, limit);
                self.predict(named, head, body, peer, compute).await
            }
            Route::Infer(named) => self.predict(Some(*named), head, body, peer, v2::answer).await,
        }
    }

    /// Takes a request's model and body, computes, and counts.
    async fn predict(
        &self,
        named: Option<Named<'_>>,
        head: Parts,
        body: &mut Body,
        peer: &Peer,
        compute: impl Fn(&Model, &[u8], Option<usize>, usize) -> Result<Answered, Fault>,
    ) -> Result<Answer, Fault> {
        let model = match named {
            Some(named) => self.model(&named)?,
            None => self.models.only().ok_or_else(|| {
                Fault::not_found(format!("several models are served; say which: /predict/{}", self.names()))
            })?,
        };
        let json = body::json_bytes(&head.headers)?;
        body::check_type(&head.headers)?;
        let http2 = head.version == Version::HTTP_2;
        // While a client sends its body, nothing is kept that is not counted.
        drop(head);
        let sender = Sender { bodies: &self.bodies, client: peer.client, http2 };
        let body = body.read(&self.limits, &sender).await?;
        let _kept = (peer.keep(), body.keep());
        let full = |_| Fault::unavailable("too many requests are under way; try again");
        let _slot = self.slots.try_acquire().map_err(full)?;
        let work = || compute(&model, &body.bytes, json, self.limits.rows);
        let answered = if body.bytes.len() <= INLINE {
            work()
        } else {
            let _place = self.queue.try_acquire().map_err(full)?;
            let _core = self.large.acquire().await;
            tokio::task::block_in_place(work)
        }?;
        self.metrics.predicted(&model, &answered);
        Ok(bytes(answered))
    }

    fn model(&self, named: &Named<'_>) -> Result<Arc<Model>, Fault> {
        let name = named.name;
        let model = self.models.get(name).ok_or_else(|| {
            let nearest = Nearest::of(name, self.models.all().keys());
            Fault::not_found(format!("no model {name:?}{nearest}"))
        })?;
        match named.version.filter(|version| *version != model.version) {
            None => Ok(model),
            Some(version) => Err(Fault::not_found(format!(
                "model {name:?} is served as version {:?}, not {version:?}",
                model.version
            ))),
        }
    }

    fn names(&self) -> String {
        self.models.all().keys().map(String::as_str).collect::<Vec<_>>().join(", /predict/")
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|given| given.strip_prefix(b"Bearer "));
        match given.is_some_and(|given| token.is(given)) {
            true => Ok(()),
            false => {
                Err(Fault::new(StatusCode::UNAUTHORIZED, "expected the header Authorization: Bearer TOKEN"))
            }
        }
    }
}
