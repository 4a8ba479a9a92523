//! Tokens as an identity provider would sign them.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Lasts a minute, and allows what `access` says (the claim `ackwire`).
pub fn token(subject: &str, access: Value) -> String {
    let exp = ackwire_server::clock::unix_ms() / 1000 + 60;
    sign(&json!({ "sub": subject, "exp": exp, "ackwire": access }))
}

pub fn sign(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}
