//! Requests that are refused before their body was read: the status is seen, and the connection goes on.

use std::io::{self, Read, Write};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use mt_serve::Token;

use crate::client::{Client, Served};
use crate::tls::{http2, wait};

const ROW: &str = r#"{"rows": [{"age": 3}]}"#;

fn head(path: &str, headers: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n")
}

/// Whether the connection is closed by the server after what it has sent.
fn is_closed(client: &mut Client) -> bool {
    let ended = client.0.read(&mut [0]);
    matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[test]
fn a_refusal_is_seen_while_its_body_is_still_sent_and_the_next_request_is_answered() {
    let served = Served::new(|config| config.token = Some(Token::Text("secret".to_owned())));
    let token = "Authorization: Bearer secret\r\n";
    let text = format!("{token}Content-Type: text/xml\r\n");
    for (status, path, headers) in [
        (401, "/predict", ""),
        (404, "/predict/none", token),
        (404, "/none", token),
        (405, "/metrics", token),
        (415, "/predict", &text),
        (200, "/", token),
    ] {
        for length in [1, 5_000, 30_000, 99_000] {
            let mut client = served.client();
            let body = vec![b' '; length];
            for _ in 0..5 {
                let head = head(path, headers, length).replace("POST / ", "GET / ");
                client.0.get_mut().write_all(&[head.as_bytes(), &body[length / 2..]].concat()).expect("sent");
                let answer = client.receive().expect("an answer");
                assert!(answer.status == status && !answer.head.contains("connection: close"), "{answer:?}");
                client.0.get_mut().write_all(&body[..length / 2]).expect("sent");
                let next = client.send("POST", "/predict", token, ROW.as_bytes()).expect("an answer");
                assert_eq!(next.status, 200, "{path} {length}: {next:?}");
            }
        }
    }
}

#[test]
fn a_refusal_that_ends_its_connection_says_so_and_is_seen_by_who_sends_on() {
    let served = Served::new(|_| {});
    let large = vec![b' '; 20_000_000];
    let chunks = b"10000\r\n".iter().chain(&large[..0x10000]).chain(b"\r\n").copied().collect::<Vec<u8>>();
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for (status, head, body) in [
        (413, head("/predict", "", large.len()), large.clone()),
        (404, head("/none", "", large.len()), large.clone()),
        (413, format!("POST /predict HTTP/1.1\r\nHost: x\r\n{chunked}"), chunks.repeat(200)),
        (404, format!("POST /none HTTP/1.1\r\nHost: x\r\n{chunked}"), chunks.repeat(200)),
        (431, "GET / HTTP/1.1\r\nHost: x\r\nX: ".to_owned(), vec![b'x'; 5_000_000]),
    ] {
        for _ in 0..5 {
            let mut client = served.client();
            client.0.get_mut().write_all(&[head.as_bytes(), &body].concat()).expect("all is taken");
            let answer = client.receive().expect("an answer");
            assert!(answer.status == status && answer.head.contains("connection: close"), "{answer:?}");
            assert!(is_closed(&mut client));
        }
    }
    assert_eq!(served.post("/predict", ROW).status, 200);
}

#[test]
fn a_client_that_waits_for_the_word_to_send_its_body_is_told_that_the_connection_ends() {
    let served = Served::new(|_| {});
    let mut client = served.client();
    let head = head("/none", "Expect: 100-continue\r\n", 1000);
    client.0.get_mut().write_all(head.as_bytes()).expect("sent");
    let answer = client.receive().expect("an answer");
    assert!(answer.status == 404 && answer.head.contains("connection: close"), "{answer:?}");
    // It may send it all the same.
    let _ = client.0.get_mut().write_all(&[b' '; 1000]);
    client.0.get_mut().shutdown(std::net::Shutdown::Write).expect("closed");
    assert!(is_closed(&mut client));
}

#[test]
fn over_http2_requests_after_refused_ones_are_answered() {
    let served = Served::new(|_| {});
    let request = |path: &str, body: Vec<u8>| {
        let request = Request::post(format!("http://x{path}"));
        request.body(Full::new(Bytes::from(body))).expect("a request")
    };
    let sizes = [10, 20_000, 90_000, 300_000].repeat(8);
    let mut requests: Vec<_> = sizes.iter().map(|size| request("/none", vec![b' '; *size])).collect();
    requests.push(request("/predict", ROW.into()));
    let answers = wait(async {
        let stream = tokio::net::TcpStream::connect(served.address).await.expect("a connection");
        http2(stream, requests).await
    });
    let status: Vec<u16> = answers.iter().map(|(status, ..)| status.as_u16()).collect();
    assert_eq!(status, [vec![404; sizes.len()], vec![200]].concat());
}
