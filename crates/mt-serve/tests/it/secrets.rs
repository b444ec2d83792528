//! Certificates and tokens that change while the server runs.

use std::fs::{copy, write};

use mt_serve::{Tls, Token};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::client::Served;
use crate::tls::{connect, file, root, wait};

/// Waits until it is so.
fn until(mut is: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is() {
        assert!(start.elapsed().as_secs() < 20, "it never comes");
    }
}

/// Long enough for the server to look a few times.
fn looks() {
    std::thread::sleep(std::time::Duration::from_millis(100));
}

#[test]
fn a_token_is_read_again_when_its_file_changes_and_one_that_is_none_leaves_the_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    write(&path, "first\n").expect("written");
    let served = Served::new(|config| config.token = Some(Token::File(path.clone())));
    let status = |token: &str| {
        let token = format!("Authorization: Bearer {token}\r\n");
        served.client().send("GET", "/metrics", &token, b"").expect("an answer").status
    };
    assert_eq!([status("first"), status("other")], [200, 401]);
    // Of the same size, and perhaps within the same tick of the clock.
    write(&path, "other\n").expect("written");
    until(|| status("other") == 200);
    assert_eq!(status("first"), 401);
    for bad in ["", " \n", "two words", "\u{e4}"] {
        write(&path, bad).expect("written");
        looks();
        assert_eq!([status("other"), status("")], [200, 401]);
    }
    std::fs::remove_file(&path).expect("removed");
    looks();
    assert_eq!(status("other"), 200);
    write(&path, "third").expect("written");
    until(|| status("third") == 200);
    assert_eq!(status("other"), 401);
}

#[test]
fn a_certificate_is_read_again_when_its_files_change_and_a_bad_one_leaves_the_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    copy(file("cert.pem"), &certificate).expect("copied");
    copy(file("key.pem"), &key).expect("copied");
    let tls = Tls { certificate: certificate.clone(), key: key.clone() };
    let served = Served::new(|config| config.tls = Some(tls));
    let other = CertificateDer::from_pem_file(file("other-cert.pem")).expect("a certificate");
    let trusts = |root: &CertificateDer<'static>| {
        wait(async { connect(served.address, Some(root.clone()), &["h2"]).await.is_ok() })
    };
    assert!(trusts(&root()) && !trusts(&other));
    // Only one of the two is there yet.
    copy(file("other-cert.pem"), &certificate).expect("copied");
    looks();
    assert!(trusts(&root()) && !trusts(&other));
    copy(file("other.pem"), &key).expect("copied");
    until(|| trusts(&other));
    assert!(!trusts(&root()));
    for bad in ["", "-----BEGIN CERTIFICATE-----\n"] {
        write(&certificate, bad).expect("written");
        looks();
        assert!(trusts(&other));
    }
}
