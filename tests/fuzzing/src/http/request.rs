//! A request as an input has it.

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, Uri, header},
};

/// Starts an agent that reads this folder: work for a demo, not for a fuzzer.
const LEFT_OUT: &str = "/v1/dev/runs";

#[derive(Debug)]
pub struct Given {
    pub method: Method,
    pub uri: Uri,
    pub content_type: HeaderValue,
    pub body: Vec<u8>,
}

impl Given {
    /// `None` for what no HTTP server would hand on.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (line, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let method = Method::from_bytes(words.next()?).ok()?;
        let uri = Uri::try_from(words.next()?).ok().filter(|uri| uri.path().starts_with('/'))?;
        let content_type = HeaderValue::from_bytes(words.next().unwrap_or(b"application/json")).ok()?;
        let is_left_out = uri.path().starts_with(LEFT_OUT);
        (!is_left_out).then(|| Self { method, uri, content_type, body: body.to_vec() })
    }

    pub fn request(&self) -> Request<Body> {
        Request::builder()
            .method(self.method.clone())
            .uri(self.uri.clone())
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, self.content_type.clone())
            .body(Body::from(self.body.clone()))
            .expect("its parts are valid")
    }

    /// `POST /v1/streams/{stream}/events`.
    pub fn is_append(&self) -> bool {
        let parts: Vec<&str> = self.uri.path().split('/').collect();
        self.method == Method::POST && matches!(parts[..], ["", "v1", "streams", _, "events"])
    }
}
