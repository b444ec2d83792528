//! Bodies of requests, sent to a server in this process.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mt_serve::{Config, Server, Source};

use super::bundle::write;

/// Sends JSON, behind which binary tensors may follow after a zero byte, to both of its places.
///
/// # Panics
/// If there is no answer, or one that blames the server.
pub fn request(data: &[u8]) -> bool {
    let json = data.iter().position(|&byte| byte == 0);
    let header = json.map_or(String::new(), |json| format!("Inference-Header-Content-Length: {json}\r\n"));
    let tensors =
        [&data[..json.unwrap_or(data.len())], &data[json.map_or(data.len(), |json| json + 1)..]].concat();
    let paths = [("/predict", "", data), ("/v2/models/m/infer", &header, &tensors)];
    let good = paths.map(|(path, header, body)| {
        let status = send(path, header, body);
        assert!([200, 400, 413].contains(&status), "{path} gives {status}");
        status == 200
    });
    good.contains(&true)
}

fn send(path: &str, header: &str, body: &[u8]) -> u16 {
    thread_local!(static CLIENT: RefCell<BufReader<TcpStream>> = RefCell::new(connect()));
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {}\r\n\r\n", body.len());
    CLIENT.with_borrow_mut(|client| {
        client.get_mut().write_all(&[head.as_bytes(), body].concat()).expect("sent");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(client.read_line(&mut head).expect("an answer"), 0, "the connection broke off");
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.expect("a length").trim().parse().expect("a number");
        client.read_exact(&mut vec![0; length]).expect("a body");
        if head.contains("connection: close") {
            *client = connect();
        }
        head[9..12].parse().expect("a status")
    })
}

fn connect() -> BufReader<TcpStream> {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    let stream = TcpStream::connect(ADDRESS.get_or_init(serve)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    BufReader::new(stream)
}

/// Serves the bundle of the seeds until the process ends.
fn serve() -> SocketAddr {
    static STOP: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), None);
    let mut config = Config::new(vec![Source::named("m", folder.path())]);
    config.listen.set_port(0);
    config.score = Some("like ^ 0.5 * seconds".to_owned());
    // What is loaded stays when the folder goes.
    config.poll = Duration::from_secs(1 << 30);
    config.limits.idle = Duration::from_secs(1 << 30);
    let server = Server::bind(config).expect("a server");
    let address = server.address();
    std::thread::spawn(move || server.run(&STOP));
    address
}
