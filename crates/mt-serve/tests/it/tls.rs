//! Certificates, HTTP/2, and what is neither.

use std::future::Future;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mt_serve::{Error, Tls, Token};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

use crate::client::Served;

const ROW: &str = r#"{"rows": [{"age": 3, "user": "bob", "seen": [1]}]}"#;

/// Of a certificate for `localhost`, which is its own root, `cert.pem` and its key `key.pem`; of another pair,
/// `other-cert.pem` and `other.pem`.
pub fn file(name: &str) -> PathBuf {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        for (certificate, key) in [("cert.pem", "key.pem"), ("other-cert.pem", "other.pem")] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            let write = |name: &str, pem| std::fs::write(folder.path().join(name), pem).expect("a file");
            write(certificate, made.cert.pem());
            write(key, made.signing_key.serialize_pem());
        }
        folder
    });
    FOLDER.path().join(name)
}

fn tls() -> Tls {
    Tls { certificate: file("cert.pem"), key: file("key.pem") }
}

pub fn root() -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file("cert.pem")).expect("a certificate")
}

/// A server that encrypts and asks for the token `secret`.
fn served() -> Served {
    Served::new(|config| {
        config.tls = Some(tls());
        config.token = Some(Token::Text("secret".to_owned()));
    })
}

pub fn wait<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), work).await.expect("in time") })
}

/// Connects, trusting `root` and offering these protocols.
pub async fn connect(
    address: SocketAddr,
    root: Option<CertificateDer<'static>>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    root.into_iter().for_each(|root| roots.add(root).expect("a certificate"));
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

fn request(token: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::post("https://localhost/predict");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from_static(ROW.as_bytes()))).expect("a request")
}

async fn body(response: Response<hyper::body::Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a body").to_bytes()
}

/// The answers to requests that are all under way on one HTTP/2 connection.
pub async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    requests: Vec<Request<Full<Bytes>>>,
) -> Vec<(StatusCode, Version, Bytes)> {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut send, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        answers.push(send.send_request(request));
    }
    let mut all = Vec::new();
    for answer in answers {
        let answer = answer.await.expect("an answer");
        all.push((answer.status(), answer.version(), body(answer).await));
    }
    all
}

#[test]
fn http2_by_alpn_and_http11_over_tls_answer_alike_and_ask_for_the_token() {
    let served = served();
    wait(async {
        let stream = connect(served.address, Some(root()), &["h2", "http/1.1"]).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let tokens = [Some("secret"), Some("secret"), Some("Secret"), Some(""), None];
        let answers = http2(stream, tokens.map(request).to_vec()).await;
        let status: Vec<u16> = answers.iter().map(|(status, ..)| status.as_u16()).collect();
        assert_eq!(status, [200, 200, 401, 401, 401]);
        assert!(answers.iter().all(|(_, version, _)| *version == Version::HTTP_2));
        assert!(!String::from_utf8_lossy(&answers[2].2).contains("secret"));

        for protocols in [&["http/1.1"][..], &[]] {
            let stream = connect(served.address, Some(root()), protocols).await.expect("TLS");
            let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            for (token, status) in [("secret", 200), ("wrong", 401), ("secret", 200)] {
                let answer = send.send_request(request(Some(token))).await.expect("an answer");
                assert_eq!((answer.status().as_u16(), answer.version()), (status, Version::HTTP_11));
                let body = body(answer).await;
                assert_eq!(body == answers[0].2, status == 200);
            }
        }
    });
}

#[test]
fn http2_by_prior_knowledge_shares_the_port_with_http11() {
    let served = Served::new(|_| {});
    let expected = served.post("/predict", ROW);
    wait(async {
        let stream = TcpStream::connect(served.address).await.expect("a connection");
        let answers = http2(stream, (0..100).map(|_| request(None)).collect()).await;
        assert_eq!(answers.len(), 100);
        for (status, version, body) in answers {
            assert_eq!((status.as_u16(), version), (200, Version::HTTP_2));
            assert_eq!(body, expected.body);
        }
    });
}

#[test]
fn plain_text_at_a_tls_port_and_tls_at_a_plain_one_get_no_prediction() {
    let served = served();
    for text in ["GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = std::net::TcpStream::connect(served.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        // What is left unread makes the connection end with an error, after the alert or before it.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() <= 7 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let plain = Served::new(|_| {});
    wait(async {
        let refused = connect(served.address, None, &["h2"]).await.expect_err("an unknown certificate");
        let cause = refused.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        assert!(matches!(cause, Some(rustls::Error::InvalidCertificate(_))), "{refused}");
        connect(served.address, Some(root()), &["imap"]).await.expect_err("no such protocol");
        connect(plain.address, Some(root()), &["h2"]).await.expect_err("no TLS");
        // Both still answer.
        let stream = connect(served.address, Some(root()), &["h2"]).await.expect("TLS");
        assert_eq!(http2(stream, vec![request(Some("secret"))]).await[0].0, StatusCode::OK);
    });
    assert_eq!(plain.post("/predict", ROW).status, 200);
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named() {
    let problem = |tls: Tls| {
        let mut config = mt_serve::Config::new(vec![]);
        config.tls = Some(tls);
        match mt_serve::Server::bind(config) {
            Err(Error::Secret { path, .. }) => path,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(problem(Tls { certificate: file("none.pem"), ..tls() }), file("none.pem"));
    // A key where the certificate should be, and the other way round.
    assert_eq!(problem(Tls { certificate: file("key.pem"), ..tls() }), file("key.pem"));
    assert_eq!(problem(Tls { key: file("cert.pem"), ..tls() }), file("cert.pem"));
    assert_eq!(problem(Tls { key: file("other.pem"), ..tls() }), file("cert.pem"));
}
