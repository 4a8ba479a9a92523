//! Who is let in, and to which streams.

mod support;

use ackwire::wire::StreamName;
use ackwire_server::auth::{Auth, AuthError, Expected};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, answer, assert_refused, header};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn now() -> u64 {
    ackwire_server::clock::unix_ms() / 1000
}

/// What a good token says.
fn claims() -> Value {
    json!({ "sub": "ada", "exp": now() + 60, "ackwire": { "read": ["run:*", "news"], "write": ["run:1"] } })
}

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[field] = value.into();
    claims
}

fn without(field: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

fn sign(claims: &Value) -> String {
    sign_with(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()), claims)
}

fn sign_with(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn auth() -> Auth {
    Auth::with_secret(SECRET.as_bytes(), &Expected { leeway_seconds: 5, ..Expected::default() })
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn key_file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn a_good_token_says_who_it_is_and_what_they_may() {
    let claims = claims();
    let ada = auth().authenticate(Some(&sign(&claims))).unwrap();
    assert_eq!(ada.subject.as_deref(), Some("ada"));
    assert_eq!(ada.expires_at, claims["exp"].as_u64().map(|seconds| seconds * 1000));
    assert!(ada.may_read(&stream("run:1")) && ada.may_read(&stream("run:2")) && ada.may_read(&stream("news")));
    assert!(!ada.may_read(&stream("news:1")) && !ada.may_read(&stream("user:1")));
    assert!(ada.may_write(&stream("run:1")) && !ada.may_write(&stream("run:2")) && !ada.may_write(&stream("news")));

    let nobody = auth().authenticate(Some(&sign(&without("ackwire")))).unwrap();
    assert!(!nobody.may_read(&stream("run:1")) && !nobody.may_write(&stream("run:1")), "nothing said, nothing allowed");

    let operator = auth().authenticate(Some(&sign(&with("ackwire", json!({ "operate": true }))))).unwrap();
    assert!(operator.may_operate() && !ada.may_operate() && !nobody.may_operate());
    assert!(!operator.may_read(&stream("run:1")), "an operator's token says what else it is good for");
}

#[test]
fn a_token_that_is_not_valid_now_is_refused() {
    let auth = auth();
    let refused = |claims: Value| auth.authenticate(Some(&sign(&claims))).unwrap_err();
    assert_eq!(refused(with("exp", now() - 60)), AuthError::Expired);
    assert!(auth.authenticate(Some(&sign(&with("exp", now() - 1)))).is_ok(), "clocks may differ a little");
    assert!(matches!(refused(with("nbf", now() + 60)), AuthError::Refused(_)));
    assert!(matches!(refused(without("exp")), AuthError::Refused(_)), "a token that never runs out");
    assert!(matches!(refused(without("sub")), AuthError::Refused(_)), "a token of nobody");
    assert!(matches!(refused(with("sub", "")), AuthError::Refused(_)));
    assert!(matches!(refused(with("sub", "s".repeat(257))), AuthError::Refused(_)));
    assert!(matches!(refused(with("ackwire", json!({ "read": "*" }))), AuthError::Refused(_)), "no list");
    assert_eq!(auth.authenticate(None), Err(AuthError::Missing));
    assert!(matches!(auth.authenticate(Some("no.token.at-all")), Err(AuthError::Refused(_))));
}

#[test]
fn the_algorithm_is_the_servers_choice() {
    let good = sign(&claims());
    let (payload, signature) = (good.split('.').nth(1).unwrap(), good.split('.').nth(2).unwrap());
    // {"alg":"none"}, and {"alg":"HS256"} with the signature left out or another's.
    for forged in [
        format!("eyJhbGciOiJub25lIn0.{payload}."),
        format!("eyJhbGciOiJub25lIn0.{payload}.{signature}"),
        format!("eyJhbGciOiJIUzI1NiJ9.{payload}."),
        format!("eyJhbGciOiJIUzI1NiJ9.{payload}.{}", signature.chars().rev().collect::<String>()),
    ] {
        assert!(matches!(auth().authenticate(Some(&forged)), Err(AuthError::Refused(_))), "{forged}");
    }
    let hs384 = sign_with(Algorithm::HS384, &EncodingKey::from_secret(SECRET.as_bytes()), &claims());
    assert!(matches!(auth().authenticate(Some(&hs384)), Err(AuthError::Refused(why)) if why.contains("algorithm")));
}

#[test]
fn a_public_key_takes_its_own_algorithm_only() {
    let expected = Expected::default();
    let rsa = EncodingKey::from_rsa_pem(&key_file("rsa.private")).unwrap();
    let ec = EncodingKey::from_ec_pem(&key_file("ec.private")).unwrap();
    let ed = EncodingKey::from_ed_pem(&key_file("ed.private")).unwrap();
    let signers = [(Algorithm::RS256, &rsa), (Algorithm::ES256, &ec), (Algorithm::EdDSA, &ed)];
    for (index, name) in ["rsa.public", "ec.public", "ed.public"].into_iter().enumerate() {
        let pem = key_file(name);
        let auth = Auth::with_public_key(&pem, &expected).unwrap();
        for (signer, (algorithm, key)) in signers.iter().enumerate() {
            let token = sign_with(*algorithm, key, &claims());
            assert_eq!(auth.authenticate(Some(&token)).is_ok(), signer == index, "{algorithm:?} for {name}");
        }
        // Key confusion: everyone knows the public key, and could make an HMAC with it.
        let confused = sign_with(Algorithm::HS256, &EncodingKey::from_secret(&pem), &claims());
        assert!(
            matches!(auth.authenticate(Some(&confused)), Err(AuthError::Refused(why)) if why.contains("algorithm"))
        );
    }
    let rs512 = sign_with(Algorithm::RS512, &rsa, &claims());
    assert!(Auth::with_public_key(&key_file("rsa.public"), &expected).unwrap().authenticate(Some(&rs512)).is_err());
    assert!(Auth::with_public_key(b"no key", &expected).is_err());
}

#[test]
fn audience_and_issuer_are_checked_if_they_are_configured() {
    let expected = Expected { audience: Some("ack".into()), issuer: Some("idp".into()), leeway_seconds: 0 };
    let auth = Auth::with_secret(SECRET.as_bytes(), &expected);
    let token = |audience: Option<&str>, issuer: Option<&str>| {
        let mut claims = claims();
        let given = [("aud", audience), ("iss", issuer)];
        for (claim, value) in given.into_iter().filter_map(|(claim, value)| Some((claim, value?))) {
            claims[claim] = value.into();
        }
        sign(&claims)
    };
    assert!(auth.authenticate(Some(&token(Some("ack"), Some("idp")))).is_ok());
    for (audience, issuer) in
        [(Some("other"), Some("idp")), (Some("ack"), Some("other")), (None, Some("idp")), (Some("ack"), None)]
    {
        let refused = auth.authenticate(Some(&token(audience, issuer)));
        assert!(matches!(refused, Err(AuthError::Refused(_))), "{audience:?} {issuer:?}");
    }
    assert!(self::auth().authenticate(Some(&token(Some("any"), None))).is_ok(), "none configured, any taken");
}

#[tokio::test]
async fn every_route_wants_a_token_and_its_claims() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let ask = |method: Method, path: &str, token: Option<&str>| {
        let request = server.request(method, path).header("content-type", "application/json").body(r#"{"type":"x"}"#);
        answer(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    };
    let routes = [
        (Method::GET, "/v1/streams"),
        (Method::GET, "/v1/streams/run:1"),
        (Method::GET, "/v1/streams/run:1/events"),
        (Method::POST, "/v1/streams/run:1/events"),
        (Method::POST, "/v1/streams/run:1/end"),
    ];
    let expired = sign(&with("exp", now() - 60));
    for (method, path) in routes {
        assert_refused(ask(method.clone(), path, None).await, 401, "unauthorized", &["Bearer"]);
        assert_refused(ask(method, path, Some(&expired)).await, 401, "unauthorized", &["expired"]);
    }
    let good = sign(&claims());
    assert_eq!(ask(Method::POST, "/v1/streams/run:1/events", Some(&good)).await.0, 201);
    let other = ask(Method::POST, "/v1/streams/run:2/events", Some(&good)).await;
    assert_refused(other, 403, "forbidden", &["ackwire.write", "run:2"]);
    assert_refused(ask(Method::GET, "/v1/streams/user:1", Some(&good)).await, 403, "forbidden", &["ackwire.read"]);
    assert_eq!(ask(Method::GET, "/v1/streams/run:1", Some(&good)).await.0, 200);

    let reads_nothing = sign(&with("ackwire", json!({ "write": ["*"] })));
    let (_, list) = ask(Method::GET, "/v1/streams", Some(&reads_nothing)).await;
    assert_eq!(list["streams"], json!([]), "the list shows what one may read");

    let basic = server.request(Method::GET, "/v1/streams").header("authorization", "Basic YTpi").send().await.unwrap();
    assert_eq!((basic.status().as_u16(), header(&basic, "www-authenticate")), (401, "Bearer"));
    assert_eq!(ask(Method::GET, "/health/ready", None).await.0, 200, "probes have no token");
    server.stop().await;
}

/// A token out of these JSON texts, with a good signature.
fn sign_texts(header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    format!("{text}.{}", jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap())
}

#[track_caller]
fn assert_token_refused(auth: &Auth, token: &str) {
    let answer = auth.authenticate(Some(token));
    assert!(matches!(answer, Err(AuthError::Refused(_) | AuthError::Expired)), "{answer:?}");
}

/// What a token's header says of keys, algorithms and extensions is the attacker's word.
#[test]
fn a_header_decides_nothing() {
    let good = r#"{"alg":"HS256"}"#;
    let claims = claims().to_string();
    assert!(auth().authenticate(Some(&sign_texts(good, &claims))).is_ok(), "the test signs as it should");
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{}"#,
        r#"[]"#,
        "",
        // Extensions that must be understood, and are not.
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
    ] {
        assert_token_refused(&auth(), &sign_texts(header, &claims));
    }
    // A key that comes with the token, or an address of one, is not used.
    let own = EncodingKey::from_secret(b"the attacker's own");
    for key in [
        r#""jwk":{"kty":"oct","k":"dGhlIGF0dGFja2VyJ3Mgb3du"}"#,
        r#""jku":"https://evil.example/keys.json""#,
        r#""x5u":"https://evil.example/key.pem""#,
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' UNION SELECT 'x""#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{key}}}"#);
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&claims));
        for key in [&own, &EncodingKey::from_secret(b"")] {
            let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key, Algorithm::HS256).unwrap();
            assert_token_refused(&auth(), &format!("{text}.{signature}"));
        }
    }
}

/// Claims of the wrong kind are not bent into the right one.
#[test]
fn claims_mean_what_they_say_or_nothing() {
    let (good, soon) = (r#"{"alg":"HS256"}"#, now() + 60);
    let signed = |claims: String| sign_texts(good, &claims);
    for claims in [
        format!(r#"{{"sub":"ada","exp":"{soon}"}}"#),
        r#"{"sub":"ada","exp":null}"#.into(),
        r#"{"sub":"ada","exp":true}"#.into(),
        r#"{"sub":"ada","exp":-1}"#.into(),
        r#"{"sub":"ada","exp":0}"#.into(),
        r#"{"sub":"ada","exp":1e999}"#.into(),
        r#"{"sub":"ada","exp":[9999999999]}"#.into(),
        format!(r#"{{"sub":"ada","exp":1,"exp":{soon}}}"#),
        format!(r#"{{"sub":"ada","sub":"root","exp":{soon}}}"#),
        format!(r#"{{"sub":null,"exp":{soon}}}"#),
        format!(r#"{{"sub":["ada"],"exp":{soon}}}"#),
        format!(r#"{{"sub":"ada","exp":{soon},"nbf":{}}}"#, soon + 600),
        format!(r#"{{"sub":"ada","exp":{soon},"ackwire":{{"operate":"true"}}}}"#),
        format!(r#"{{"sub":"ada","exp":{soon},"ackwire":{{"operate":1}}}}"#),
        format!(r#"{{"sub":"ada","exp":{soon},"ackwire":{{"read":"*"}}}}"#),
        format!(r#"{{"sub":"ada","exp":{soon},"ackwire":{{"read":[["*"]]}}}}"#),
        format!(r#"{{"sub":"ada","exp":{soon}"#),
        "[]".into(),
        "null".into(),
        "[".repeat(3_000),
    ] {
        assert_token_refused(&auth(), &signed(claims));
    }
}

/// The signature is over the text as it came, and all of it.
#[test]
fn a_token_has_three_parts_and_all_of_its_signature() {
    let good = sign(&claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let more = URL_SAFE_NO_PAD.encode(with("sub", "root").to_string());
    for forged in [
        String::new(),
        ".".into(),
        "..".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.{}", &signature[..10]),
        format!("{header}.{payload}.{}", "A".repeat(signature.len())),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{signature} "),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}.{more}.{signature}"),
        format!("{header}.{payload}\0.{signature}"),
        "é.é.é".into(),
        format!("{good}{}", "x".repeat(8 << 10)),
        "x".repeat(10 << 20),
    ] {
        assert_token_refused(&auth(), &forged);
    }
    // A signature of zeros is one of every message for a verifier that forgets to look (ECDSA, CVE-2022-21449).
    let ec = Auth::with_public_key(&key_file("ec.public"), &Expected::default()).unwrap();
    let es256 = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    assert_token_refused(&ec, &format!("{es256}.{payload}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    let rsa = EncodingKey::from_rsa_pem(&key_file("rsa.private")).unwrap();
    let rs256 = Auth::with_public_key(&key_file("rsa.public"), &Expected::default()).unwrap();
    assert_token_refused(&rs256, &sign_with(Algorithm::PS256, &rsa, &claims()));
}

#[test]
fn an_audience_that_is_nearly_ours_is_not() {
    let expected = Expected { audience: Some("ack".into()), ..Expected::default() };
    let auth = Auth::with_secret(SECRET.as_bytes(), &expected);
    for audience in
        [json!("ACK"), json!("ack "), json!("ack.evil"), json!(""), json!(["other"]), json!([]), json!(null)]
    {
        assert_token_refused(&auth, &sign(&with("aud", audience)));
    }
    assert!(auth.authenticate(Some(&sign(&with("aud", json!(["other", "ack"]))))).is_ok(), "one of several");
}
