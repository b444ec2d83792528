//! Clients that hold on to what there is not enough of: others are answered all the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Client, Served};

const ROW: &str = r#"{"rows": [{"age": 3}]}"#;
const HEALTH: &str = "/v2/health/live";

/// How an HTTP/2 connection begins.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\x0012345678";

/// A request for `/predict` in a stream, without its body.
fn open_stream(id: u32) -> Vec<u8> {
    // POST, http, :path, :authority, content-type; the literals are not compressed.
    let fields = b"\x83\x86\x44\x08/predict\x41\x01x\x5f\x10application/json";
    let length = (fields.len() as u32).to_be_bytes();
    [&length[1..], &[1, 4], &id.to_be_bytes(), fields].concat()
}

fn unfinished(length: usize, sent: usize) -> Vec<u8> {
    let head = format!("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), &vec![b' '; sent]].concat()
}

fn open(served: &Served, count: usize, bytes: &[u8]) -> Vec<Client> {
    let one = |_| {
        let mut client = served.client();
        client.0.get_mut().write_all(bytes).expect("sent");
        client
    };
    (0..count).map(one).collect()
}

fn metric(served: &Served, name: &str) -> u64 {
    let text = String::from_utf8(served.get("/metrics").body).expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric");
    value.trim().parse().expect("a number")
}

/// Asserts that others are answered, and soon.
fn lives(served: &Served) {
    let start = Instant::now();
    assert_eq!(served.get(HEALTH).status, 200);
    assert_eq!(served.get("/metrics").status, 200);
    assert_eq!(served.post("/predict", ROW).status, 200);
    // In more than one part, so that it takes its share of the memory for bodies.
    let blanks = " ".repeat(50_000);
    assert_eq!(served.post("/predict", format!("{blanks}{ROW}")).status, 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn connections_that_are_held_give_way_to_new_ones() {
    let long = Duration::from_secs(60);
    for held in [&b""[..], b"P", b"GET / HTTP/1.1\r\nx: ", OPENING, &unfinished(1000, 1)] {
        let served = Served::new(|config| {
            config.limits.connections = 8;
            (config.limits.headers, config.limits.receive) = (long, long);
        });
        let clients = open(&served, 20, held);
        lives(&served);
        assert!(metric(&served, "mt_connections_displaced_total") >= 12);
        // One that has lost its place needs a moment to end.
        while metric(&served, "mt_connections ") > 8 {}
        drop(clients);
    }
}

#[test]
fn a_connection_in_use_is_not_the_one_that_gives_way() {
    let served = Served::new(|config| config.limits.connections = 4);
    let mut mine = served.client();
    for _ in 0..5 {
        drop(open(&served, 3, OPENING));
        let clients = open(&served, 3, OPENING);
        for _ in 0..30 {
            assert_eq!(mine.send("POST", "/predict", "", ROW.as_bytes()).expect("an answer").status, 200);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(served.get(HEALTH).status, 200);
        drop(clients);
    }
}

#[test]
fn requests_without_their_body_take_no_slot() {
    let served = Served::new(|config| {
        config.limits.requests = 2;
        config.limits.receive = Duration::from_secs(60);
    });
    let slow = open(&served, 30, &unfinished(1000, 1));
    let streams: Vec<u8> = (0..256).flat_map(|i| open_stream(2 * i + 1)).collect();
    let http2 = open(&served, 2, &[OPENING, &streams].concat());
    while metric(&served, "mt_requests_in_flight ") < 2 * 256 + 30 {}
    lives(&served);
    drop((slow, http2));
}

#[test]
fn unfinished_bodies_share_an_amount_of_memory_and_the_oldest_are_told_to_try_again() {
    let served = Served::new(|config| {
        config.limits.bodies = 1_000_000;
        config.limits.receive = Duration::from_secs(60);
    });
    let body = unfinished(90_000, 80_000);
    let mut clients = open(&served, 1, &body);
    // So that it is the oldest.
    std::thread::sleep(Duration::from_millis(50));
    clients.extend(open(&served, 28, &body));
    lives(&served);
    // Of so many, twelve fit; one more is the request that asks.
    while metric(&served, "mt_requests_in_flight ") > 13 {}
    clients.extend(open(&served, 1, &body));
    let refused = clients[0].receive().expect("an answer");
    assert!(refused.status == 503 && refused.head.contains("retry-after: 1\r\n"), "{refused:?}");
    assert!(!refused.head.contains("connection: close"), "{refused:?}");
    // The rest of the body, and the next request.
    clients[0].0.get_mut().write_all(&[b' '; 10_000]).expect("sent");
    let next = clients[0].send("POST", "/predict", "", ROW.as_bytes()).expect("an answer");
    assert_eq!(next.status, 200, "{next:?}");
    // The newest may go on.
    let last = clients.last_mut().expect("a client");
    last.0.get_mut().write_all(format!("{ROW:>10000}").as_bytes()).expect("sent");
    assert_eq!(last.receive().expect("an answer").status, 200);
}

#[test]
fn http2_connections_without_requests_are_closed_whatever_they_send() {
    let served = Served::new(|config| {
        config.limits.idle = Duration::from_millis(400);
        config.limits.receive = Duration::from_millis(400);
        config.limits.headers = Duration::from_millis(400);
    });
    let stream = [OPENING, &open_stream(1)].concat();
    for opening in [OPENING, &stream] {
        let mut stream = TcpStream::connect(served.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        stream.write_all(opening).expect("sent");
        let start = Instant::now();
        let mut bytes = [0; 1024];
        // Until the connection ends, with pings all the while.
        while !matches!(stream.read(&mut bytes), Ok(0)) && stream.write_all(PING).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "still open");
        }
        assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    }
    lives(&served);
}
