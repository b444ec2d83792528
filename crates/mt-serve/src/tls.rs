//! Certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use crate::config::Tls;
use crate::error::{Error, Result};
use crate::fresh::Fresh;

/// What encrypts connections with the certificate that the files hold now: TLS 1.2 and 1.3, HTTP/2 and 1.1.
pub(crate) type Acceptor = Fresh<TlsAcceptor>;

pub(crate) fn acceptor(tls: &Tls) -> Result<Acceptor> {
    Fresh::new("certificate", vec![tls.certificate.clone(), tls.key.clone()], make)
}

fn make(files: &[PathBuf], contents: &[Vec<u8>]) -> Result<TlsAcceptor> {
    let fail = |path: &Path, error: &dyn std::fmt::Display| Error::Secret {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let chain = CertificateDer::pem_slice_iter(&contents[0])
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| fail(&files[0], &error))?;
    let key = PrivateKeyDer::from_pem_slice(&contents[1]).map_err(|error| fail(&files[1], &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| fail(&files[0], &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
