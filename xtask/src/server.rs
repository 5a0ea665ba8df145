//! A small static file server for the demo page: loopback only, cross-origin isolated, so that threads work.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::proc::{Context, Result};

/// Without these a page gets no shared memory, hence no threads; the last makes reloads see a new build.
const HEADERS: &str = "Cross-Origin-Opener-Policy: same-origin\r\n\
     Cross-Origin-Embedder-Policy: require-corp\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\n\
     X-Content-Type-Options: nosniff\r\n\
     Cache-Control: no-cache\r\n";
/// A request longer than this is none of a browser's.
const MAX_REQUEST: u64 = 64 * 1024;

/// A server that is bound but not yet answering.
pub struct Server {
    listener: TcpListener,
    root: Arc<Path>,
}

impl Server {
    /// Binds to `port` of the loopback interface, or to the next free one after it; port 0 takes any.
    pub fn bind(root: &Path, port: u16) -> Result<Self> {
        let ports = port..=if port == 0 { 0 } else { port.saturating_add(20) };
        let bound = ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        let listener = bound.reduce(|first, next| if first.is_ok() { first } else { next });
        let listener = listener.expect("at least one port").context("finding a free port")?;
        Ok(Self { listener, root: root.into() })
    }

    /// What to type into a browser.
    pub fn url(&self) -> String {
        let address = self.listener.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        format!("http://{address}/")
    }

    /// Answers for as long as the program runs.
    pub fn serve(self) {
        for stream in self.listener.incoming().flatten() {
            let root = Arc::clone(&self.root);
            // A browser that goes away mid-answer is no concern of ours.
            std::thread::spawn(move || drop(answer_all(&stream, &root)));
        }
    }

    /// Answers in the background; returns the address.
    pub fn spawn(self) -> String {
        let url = self.url();
        std::thread::spawn(move || self.serve());
        url
    }
}

/// Answers the requests of one connection.
fn answer_all(stream: &TcpStream, root: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let Some((method, path)) = read_request(&mut reader)? else { return Ok(()) };
        let mut writer = stream;
        let is_head = method == "HEAD";
        if !is_head && method != "GET" {
            return respond(&mut writer, "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n", true);
        }
        match resolve(root, &path).and_then(|file| Some((std::fs::read(&file).ok()?, file))) {
            Some((body, file)) => respond(&mut writer, "200 OK", mime(&file), &body, !is_head)?,
            None => respond(&mut writer, "404 Not Found", "text/plain; charset=utf-8", b"no such file\n", !is_head)?,
        }
    }
}

/// Method and target of the next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<(String, String)>> {
    let mut limited = std::io::Read::take(reader, MAX_REQUEST);
    let mut first = String::new();
    if limited.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut header = String::new();
    while limited.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = first.split_whitespace();
    Ok(words.next().zip(words.next()).map(|(method, target)| (method.to_owned(), target.to_owned())))
}

fn respond(out: &mut impl Write, status: &str, mime: &str, body: &[u8], with_body: bool) -> std::io::Result<()> {
    let length = body.len();
    write!(out, "HTTP/1.1 {status}\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\n{HEADERS}\r\n")?;
    if with_body {
        out.write_all(body)?;
    }
    out.flush()
}

/// The file that a request's target names; never one outside `root`.
fn resolve(root: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?;
    let decoded = percent_decode(path)?;
    let relative = Path::new(decoded.trim_start_matches('/'));
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = root.join(relative);
    Some(if file.is_dir() { file.join("index.html") } else { file })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// `WebAssembly.instantiateStreaming` and module scripts insist on theirs.
fn mime(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn targets_stay_inside_the_folder() {
        let root = Path::new("/site");
        assert_eq!(resolve(root, "/a/b%20c.js?x=1#y"), Some("/site/a/b c.js".into()));
        assert_eq!(resolve(root, "/../secret"), None);
        assert_eq!(resolve(root, "/%2e%2e/secret"), None);
        assert_eq!(resolve(root, "//etc/passwd"), Some("/site/etc/passwd".into()));
        assert_eq!(resolve(root, "/%zz"), None);
    }

    #[test]
    fn a_wasm_file_arrives_isolated_and_with_its_type() {
        let folder = std::env::temp_dir().join(format!("striate-server-{}", std::process::id()));
        crate::proc::write(&folder.join("a.wasm"), b"\0asm").unwrap();
        let url = Server::bind(&folder, 0).unwrap().spawn();
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        // Two requests on one connection.
        let answer = ask("GET /a.wasm HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a.wasm HTTP/1.1\r\n\r\n");
        assert_eq!(answer.matches("200 OK").count(), 2, "{answer}");
        assert_eq!(answer.matches("\0asm").count(), 1);
        for wanted in ["Content-Type: application/wasm", "Opener-Policy: same-origin", "Embedder-Policy: require-corp"]
        {
            assert!(answer.contains(wanted), "{answer}");
        }
        assert!(ask("GET /b HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /a.wasm HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
