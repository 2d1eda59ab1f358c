//! HTTP/1.1 as far as S3 and its clients use it: whole messages, read and written.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;

/// A connection whose reading side is buffered.
pub(crate) struct Connection(BufReader<TcpStream>);

/// A request or an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first: String,
    /// Names as they came, and values.
    pub(crate) headers: Vec<(String, String)>,
    /// All of the body.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        Self::of(TcpStream::connect(("127.0.0.1", port))?)
    }

    pub(crate) fn of(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// The next request; `None` when the client is done.
    pub(crate) fn request(&mut self) -> Result<Option<Message>> {
        let Some(mut request) = self.head()? else { return Ok(None) };
        if request.header("expect").is_some() {
            self.stream().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("expect"));
        }
        request.body = self.body(&request, false)?;
        Ok(Some(request))
    }

    /// The answer to a request that was sent.
    pub(crate) fn answer(&mut self, to: &Message) -> Result<Message> {
        let mut answer = self.head()?.ok_or(ErrorKind::UnexpectedEof)?;
        let without = to.method() == "HEAD" || matches!(answer.status(), 204 | 304);
        if !without {
            answer.body = self.body(&answer, true)?;
        }
        Ok(answer)
    }

    /// Sends a request and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Message) -> Result<Message> {
        self.send(request, request.body.len())?;
        self.answer(request)
    }

    /// Sends a message with the first `count` bytes of its body.
    pub(crate) fn send(&mut self, message: &Message, count: usize) -> Result<()> {
        let mut bytes = format!("{}\r\n", message.first).into_bytes();
        for (name, value) in &message.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&message.body[..count]);
        self.stream().write_all(&bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn head(&mut self) -> Result<Option<Message>> {
        let first = self.line()?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut message = Message { first, ..Message::default() };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok(Some(message)) };
            message.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The body that a head announces; an answer without a length ends with the connection.
    fn body(&mut self, head: &Message, is_answer: bool) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_some_and(|kind| kind.contains("chunked")) {
            while self.chunk(&mut body)? {}
        } else if let Some(length) = head.header("content-length") {
            let length = length.parse().map_err(|_| Error::new(ErrorKind::InvalidData, length.to_owned()))?;
            body.resize(length, 0);
            self.0.read_exact(&mut body)?;
        } else if is_answer {
            self.0.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> Result<bool> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).map_err(|_| Error::new(ErrorKind::InvalidData, line.clone()))?;
        let place = body.len();
        body.resize(place + length, 0);
        self.0.read_exact(&mut body[place..])?;
        // What follows the last chunk ends with an empty line, as each chunk does.
        while !self.line()?.is_empty() && length == 0 {}
        Ok(length > 0)
    }
}

impl Message {
    /// A request without a body.
    pub(crate) fn request(method: &str, path: &str) -> Self {
        let headers = vec![("Host".to_owned(), "s3".to_owned())];
        Self { first: format!("{method} {path} HTTP/1.1"), headers, body: Vec::new() }
    }

    /// An answer as S3 gives it.
    pub(crate) fn error((status, code): (u16, &str), method: &str) -> Self {
        let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>");
        let body = if method == "HEAD" { Vec::new() } else { text.into_bytes() };
        let headers = vec![("Content-Type".to_owned(), "application/xml".to_owned())];
        Self { first: format!("HTTP/1.1 {status} {code}"), headers, body }.measured()
    }

    /// With the length of the body that it has.
    pub(crate) fn measured(mut self) -> Self {
        let of_body =
            |name: &str| ["content-length", "transfer-encoding"].iter().any(|of| name.eq_ignore_ascii_case(of));
        self.headers.retain(|(name, _)| !of_body(name));
        self.headers.push(("Content-Length".to_owned(), self.body.len().to_string()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Path and query of a request.
    pub(crate) fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}
