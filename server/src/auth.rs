//! Who is asking, and which streams they may read and write.

use ackwire::wire::StreamName;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, errors::ErrorKind};
use serde::Deserialize;

/// Longest `sub` of a token, in bytes: it is part of a consumer's key.
const MAX_SUBJECT_BYTES: usize = 256;

/// Longest token, in bytes: as long as headers usually may be.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Why a token was not taken. Never holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There was none.
    #[error("this server wants a token (over HTTP: Authorization: Bearer …)")]
    Missing,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours, or malformed.
    #[error("the token was refused: {0}")]
    Refused(&'static str),
}

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is no PEM public key for RS256, ES256 or EdDSA")]
pub struct InvalidKey;

/// Decides who is asking.
pub struct Auth(Option<Box<Tokens>>);

/// Whose tokens are taken.
struct Tokens {
    key: DecodingKey,
    validation: Validation,
}

type ReadKey = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;

impl Auth {
    /// Everyone may do everything: for development on the own machine.
    pub fn open() -> Self {
        Self(None)
    }

    /// Takes HS256 tokens signed with `secret`.
    pub fn with_secret(secret: &[u8], expected: &Expected) -> Self {
        Self::with_key(DecodingKey::from_secret(secret), Algorithm::HS256, expected)
    }

    /// Takes tokens signed with the private half of a PEM public key. The kind of key decides the one algorithm:
    /// RSA RS256, elliptic curve P-256 ES256, Ed25519 EdDSA.
    pub fn with_public_key(pem: &[u8], expected: &Expected) -> Result<Self, InvalidKey> {
        let kinds: [(ReadKey, Algorithm); 3] = [
            (DecodingKey::from_rsa_pem, Algorithm::RS256),
            (DecodingKey::from_ec_pem, Algorithm::ES256),
            (DecodingKey::from_ed_pem, Algorithm::EdDSA),
        ];
        let found = kinds.into_iter().find_map(|(read, algorithm)| Some((read(pem).ok()?, algorithm)));
        let (key, algorithm) = found.ok_or(InvalidKey)?;
        Ok(Self::with_key(key, algorithm, expected))
    }

    fn with_key(key: DecodingKey, algorithm: Algorithm, expected: &Expected) -> Self {
        // The algorithm comes from the configuration, never from the token: that is what keeps `none`, and an HMAC
        // made with a public key, out.
        let mut validation = Validation::new(algorithm);
        validation.leeway = expected.leeway_seconds;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &expected.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &expected.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        Self(Some(Box::new(Tokens { key, validation })))
    }

    /// Whether tokens are needed.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Who shows this token. In development mode a token is ignored.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Identity, AuthError> {
        let Some(tokens) = &self.0 else { return Ok(Identity::anyone()) };
        let token = token.ok_or(AuthError::Missing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Refused("it has more than 8192 bytes"));
        }
        let decoded = decode::<Claims>(token, &tokens.key, &tokens.validation);
        let TokenData { header, claims } = decoded.map_err(|error| refusal(error.kind()))?;
        if header.crit.is_some() {
            // RFC 7515, 4.1.11: what must be understood, and is not, makes a token invalid.
            return Err(AuthError::Refused("its header names extensions that this server does not know"));
        }
        if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_BYTES {
            return Err(AuthError::Refused("its `sub` has 1 to 256 bytes"));
        }
        // A fractional `exp` is allowed (RFC 7519, NumericDate); in milliseconds it needs no fraction. What does not
        // fit into u64 saturates, which is far enough away.
        let expires_at = (claims.exp * 1000.0) as u64;
        Ok(Identity { subject: Some(claims.sub), expires_at: Some(expires_at), access: Some(claims.ackwire) })
    }
}

/// What a token must say besides its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its `aud`; `None` for any.
    pub audience: Option<String>,
    /// Its `iss`; `None` for any.
    pub issuer: Option<String>,
    /// By how much clocks may differ.
    pub leeway_seconds: u64,
}

/// Someone who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`; `None` in development mode.
    pub subject: Option<String>,
    /// When the token runs out, in milliseconds since 1970; `None` in development mode.
    pub expires_at: Option<u64>,
    /// `None`: everything.
    access: Option<Access>,
}

impl Identity {
    fn anyone() -> Self {
        Self { subject: None, expires_at: None, access: None }
    }

    /// Whether they may see and act for every user of the server: its metrics, the operator's page, others' deliveries.
    pub fn may_operate(&self) -> bool {
        self.access.as_ref().is_none_or(|access| access.operate)
    }

    /// Whether they may subscribe to the stream and look at it.
    pub fn may_read(&self, stream: &StreamName) -> bool {
        self.access.as_ref().is_none_or(|access| access.read.iter().any(|pattern| matches(pattern, stream)))
    }

    /// Whether they may append to the stream and end it.
    pub fn may_write(&self, stream: &StreamName) -> bool {
        self.access.as_ref().is_none_or(|access| access.write.iter().any(|pattern| matches(pattern, stream)))
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    ackwire: Access,
}

/// The claim `ackwire`. A pattern is a stream's name, or the beginning of names followed by `*`; `operate` is for those
/// who look after the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Access {
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
    #[serde(default)]
    operate: bool,
}

fn matches(pattern: &str, stream: &StreamName) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => stream.starts_with(prefix),
        None => stream.as_str() == pattern,
    }
}

fn refusal(kind: &ErrorKind) -> AuthError {
    AuthError::Refused(match kind {
        ErrorKind::ExpiredSignature => return AuthError::Expired,
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::MissingAlgorithm => {
            "it is signed with another algorithm than this server takes"
        }
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is from another issuer",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::MissingRequiredClaim(_) => "a required claim is missing (exp, sub, and aud and iss if configured)",
        _ => "it is malformed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        let stream = |name| StreamName::new(name).unwrap();
        assert!(matches("run:*", &stream("run:9f2c")) && matches("*", &stream("x")) && matches("a", &stream("a")));
        assert!(!matches("run:*", &stream("user:1")) && !matches("a", &stream("ab")) && !matches("", &stream("a")));
        assert!(!matches("*:9f2c", &stream("run:9f2c")), "a star counts at the end only");
    }
}
