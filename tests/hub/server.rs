//! A server on this machine that answers like the Hugging Face hub, and like the store that it redirects to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a request is answered otherwise than well.
#[derive(Clone, Copy, PartialEq)]
pub enum Answer {
    /// The connection ends after so many bytes of the file.
    CutAfter(usize),
    /// All bytes, whatever range was asked for.
    IgnoreRange,
    /// No bytes, for no such range.
    RangeNotSatisfiable,
    /// Bytes that aren't the file's.
    WrongBytes,
    /// The file, a piece now and then.
    Slowly,
    /// The hub redirects to another of its paths.
    Moved,
    /// The hub answers this.
    Status(u16),
    /// The hub doesn't say what the file hashes to.
    NoHash,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: String,
    pub token: Option<String>,
    pub range: Option<String>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    next: VecDeque<Answer>,
    always: Option<Answer>,
}

struct Shared {
    file: Vec<u8>,
    commit: String,
    /// Where the file is, on a host of another name.
    store: String,
    state: Mutex<State>,
}

/// Answers until the test ends.
pub struct Server {
    /// For `HF_ENDPOINT`.
    pub endpoint: String,
    shared: Arc<Shared>,
}

impl Server {
    pub fn new(file: Vec<u8>, commit: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let store = format!("http://localhost:{port}/store?signed=yes");
        let shared = Arc::new(Shared { file, commit: commit.into(), store, state: Mutex::default() });
        let server = Self { endpoint: format!("http://127.0.0.1:{port}"), shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is no failure.
                std::thread::spawn(move || shared.answer(stream));
            }
        });
        server
    }

    pub fn file(&self) -> Vec<u8> {
        self.shared.file.clone()
    }

    pub fn host(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// So the next request that can be is answered.
    pub fn answer(&self, answer: Answer) {
        self.shared.state.lock().unwrap().next.push_back(answer);
    }

    pub fn answer_always(&self, answer: Answer) {
        self.shared.state.lock().unwrap().always = Some(answer);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = read(&stream)?;
        let at_store = request.path.starts_with("/store");
        let answer = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request.clone());
            let fits =
                |answer: &Answer| at_store != matches!(answer, Answer::Moved | Answer::Status(_) | Answer::NoHash);
            let due = state.next.front().copied().filter(fits);
            if due.is_some() {
                state.next.pop_front();
            }
            due.or(state.always.filter(fits))
        };
        if at_store { self.store(&mut stream, &request, answer) } else { self.hub(&mut stream, &request, answer) }
    }

    fn hub(&self, stream: &mut TcpStream, request: &Request, answer: Option<Answer>) -> std::io::Result<()> {
        let sha256 = super::sha256(&self.file);
        match answer {
            Some(Answer::Status(status)) => head(stream, status, &["content-length: 0".into()]),
            Some(Answer::Moved) => {
                let (_, rest) = request.path[1..].split_once('/').unwrap();
                let location = format!("location: /renamed/{rest}");
                head(stream, 307, &[location, "content-length: 60".into()])
            }
            _ => {
                let mut headers = vec![
                    format!("location: {}", self.store),
                    format!("x-repo-commit: {}", self.commit),
                    format!("x-linked-size: {}", self.file.len()),
                    "content-length: 1234".into(),
                    "etag: \"f00\"".into(),
                ];
                if answer != Some(Answer::NoHash) {
                    headers.push(format!("x-linked-etag: \"{sha256}\""));
                }
                head(stream, 302, &headers)
            }
        }
    }

    fn store(&self, stream: &mut TcpStream, request: &Request, answer: Option<Answer>) -> std::io::Result<()> {
        let mut file = self.file.clone();
        if answer == Some(Answer::WrongBytes) {
            file[100] ^= 1;
        }
        let size = file.len();
        let start = request.range.as_ref().filter(|_| answer != Some(Answer::IgnoreRange));
        let start = start.map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
        if answer == Some(Answer::RangeNotSatisfiable) || start.is_some_and(|start: usize| start >= size) {
            return head(stream, 416, &[format!("content-range: bytes */{size}"), "content-length: 0".into()]);
        }
        let bytes = &file[start.unwrap_or(0)..];
        let length = format!("content-length: {}", bytes.len());
        match start {
            Some(start) => head(stream, 206, &[format!("content-range: bytes {start}-{}/{size}", size - 1), length])?,
            None => head(stream, 200, &[length])?,
        }
        match answer {
            Some(Answer::CutAfter(n)) => stream.write_all(&bytes[..n.min(bytes.len())]),
            Some(Answer::Slowly) => bytes.chunks(100_000).try_for_each(|piece| {
                std::thread::sleep(Duration::from_millis(30));
                stream.write_all(piece)
            }),
            _ => stream.write_all(bytes),
        }
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, path, host: String::new(), token: None, range: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "host" => request.host = value.into(),
            "authorization" => request.token = Some(value.into()),
            "range" => request.range = Some(value.into()),
            _ => {}
        }
    }
    Ok(request)
}

fn head(stream: &mut TcpStream, status: u16, headers: &[String]) -> std::io::Result<()> {
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    stream.write_all(format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\n\r\n").as_bytes())
}
