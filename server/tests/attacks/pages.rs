//! Files and headers: path traversal, and what every answer says to browsers.

use reqwest::{Method, StatusCode};
use std::{fs, os::unix::fs::symlink};

use crate::support::{Server, header, raw::Raw, token::SECRET};

/// A page's folder with a secret beside it, and links that lead out of it and stay inside.
struct Site {
    folder: tempfile::TempDir,
    server: Server,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for name in ["www", "pkg", "www-private"] {
            fs::create_dir(place(name)).unwrap();
            fs::write(place(name).join("index.html"), "<!doctype html>").unwrap();
        }
        fs::write(place("secret.txt"), "the secret").unwrap();
        fs::write(place("www-private/secret.txt"), "the secret").unwrap();
        for name in ["www", "pkg"] {
            symlink(place("secret.txt"), place(name).join("link.txt")).unwrap();
            symlink(folder.path(), place(name).join("up")).unwrap();
            symlink(place(name).join("index.html"), place(name).join("inside.html")).unwrap();
        }
        let (www, pkg) = (place("www"), place("pkg"));
        let flags = ["--dev", "--www", www.to_str().unwrap(), "--pkg", pkg.to_str().unwrap()];
        let server = Server::start(&flags).await;
        Self { server, folder }
    }

    /// As it is written: clients would tidy the path up.
    async fn ask(&self, path: &str) -> String {
        let mut raw = Raw::connect(&self.server.url).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).await;
        String::from_utf8_lossy(&raw.rest().await).into_owned()
    }
}

#[tokio::test]
async fn no_path_leads_out_of_a_folder() {
    let site = Site::start().await;
    let secret = site.folder.path().join("secret.txt");
    for root in ["/demo", "/pkg"] {
        assert!(site.ask(&format!("{root}/index.html")).await.starts_with("HTTP/1.1 200 "), "files are served");
        assert!(site.ask(&format!("{root}/inside.html")).await.starts_with("HTTP/1.1 200 "), "links inside are, too");
        for way in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/..%5csecret.txt",
            "/.%2e/secret.txt",
            "/%252e%252e%252fsecret.txt",
            "/%c0%ae%c0%ae/secret.txt",
            "/index.html/../../secret.txt",
            "/index.html%00/../../secret.txt",
            "/../secret.txt%00.html",
            "/secret.txt%00",
            "-private/secret.txt",
            "/../www-private/secret.txt",
            "/link.txt",
            "/up/secret.txt",
            "/up/www/../secret.txt",
            "//secret.txt",
            &format!("/{}", secret.display()),
            &format!("/{}", secret.display().to_string().replace('/', "%2f")),
            &format!("/file:%2f%2f{}", secret.display()),
        ] {
            let answer = site.ask(&format!("{root}{way}")).await;
            let refused = ["HTTP/1.1 404 ", "HTTP/1.1 400 "].iter().any(|status| answer.starts_with(status));
            assert!(refused && !answer.contains("the secret"), "{root}{way}: {answer}");
        }
        assert!(!site.ask(&format!("{root}/")).await.contains("link.txt"), "a folder is not listed");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_else_with_it() {
    let Site { server, folder: _folder } = Site::start().await;
    server.append(r#"{"type":"x"}"#).await;
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::GET, "/demo/index.html", 200),
        (Method::GET, "/demo/none.js", 404),
        (Method::GET, "/operator", 200),
        (Method::GET, "/operator/main.js", 200),
        (Method::GET, "/v1/streams/run:1/events", 200),
        (Method::GET, "/v1/streams/a%20b", 400),
        (Method::GET, "/v1/socket", 400),
        (Method::DELETE, "/v1/streams", 405),
        (Method::GET, "/metrics", 200),
        (Method::GET, "/health", 200),
        (Method::GET, "/none", 404),
    ] {
        let answer = server.request(method, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(&answer, name), value, "{path}: {name}");
        }
        let policy = header(&answer, "content-security-policy");
        for rule in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        // Only the demo compiles WebAssembly.
        let is_demo = path == "/" || path.starts_with("/demo/");
        assert!(is_demo || !policy.contains("wasm"), "{path}: {policy}");
        let is_page = is_demo || path.starts_with("/operator");
        let is_stored = header(&answer, "cache-control") != "no-store";
        assert_eq!(is_stored, is_page, "{path}: what is somebody's is stored nowhere");
        assert!(answer.headers().get("server").is_none());
    }
}

/// Without development mode there are no files but the operator's page, which is in the program.
#[tokio::test]
async fn without_development_mode_no_folder_is_served() {
    let server = Server::start(&["--jwt-secret", SECRET, "--www", "/etc", "--pkg", "/etc"]).await;
    for path in ["/demo/passwd", "/pkg/passwd", "/operator/../passwd"] {
        let answer = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
