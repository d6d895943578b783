//! A provider whose every answer the test sets, and a kidstamp before it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use kidstamp::clock;
use kidstamp::config::{self, KnownRule, Override, Overrides};
use kidstamp::demo::http::{Server, Site, get, json, send, text};
use kidstamp::jose::{CompactJws, PublicKey, VerificationKey, base64url};
use kidstamp::json::{Document, Limits};
use kidstamp::proxy::{self, Running};
use kidstamp::rules;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// The issuer, whose origin is kidstamp's external one.
pub(crate) const ISSUER: &str = "https://idp.test";

type Answers = Arc<Mutex<HashMap<String, Response<String>>>>;

/// A provider and a kidstamp before it.
pub(crate) struct Stage {
    key: RsaKeyPair,
    answers: Answers,
    asked: Arc<Mutex<Vec<Request<String>>>>,
    upstream: String,
    kidstamp: String,
    running: Option<Running>,
    _provider: Server,
    _folder: TempDir,
}

impl Stage {
    /// Starts both; `settings` are lines of the configuration.
    pub(crate) async fn start(settings: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let keys = key_set(&key);
        Self::start_with(settings, "", key, keys, &["RS256"]).await
    }

    /// Starts both, where the provider publishes `keys` and signs with `algs`; `of_issuer` are lines of the issuer's
    /// configuration.
    pub(crate) async fn start_before(
        keys: &str,
        algs: &[&str],
        settings: &str,
        of_issuer: &str,
    ) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self::start_with(settings, of_issuer, key, keys.to_owned(), algs).await
    }

    async fn start_with(
        settings: &str,
        of_issuer: &str,
        key: RsaKeyPair,
        keys: String,
        algs: &[&str],
    ) -> Self {
        let answers = Answers::default();
        let asked: Arc<Mutex<Vec<Request<String>>>> = Arc::default();
        let site = Site::bind().await.unwrap();
        let upstream = site.url().to_owned();
        let provider = site.serve({
            let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
            move |request: Request<String>| {
                let uri = request.uri();
                let answers = answers.lock().unwrap();
                let answer = answers.get(&uri.to_string()).or(answers.get(uri.path())).cloned();
                drop(answers);
                asked.lock().unwrap().push(request);
                async { answer.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not found")) }
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kidstamp.toml");
        let config = format!(
            "{settings}\n[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nworkers = 1\n\
             [upstream]\nurl = \"{upstream}\"\n[[issuer]]\nissuer = \"{ISSUER}\"\nephemeral_key = true\n{of_issuer}\n"
        );
        std::fs::write(&file, config).unwrap();
        let overrides = Overrides {
            config: Some(Override::from_flag("--config", file.to_str().unwrap())),
            ..Overrides::default()
        };
        answers.lock().unwrap().extend([
            ("/.well-known/openid-configuration".to_owned(), discovery(algs)),
            ("/jwks".to_owned(), json(StatusCode::OK, keys)),
        ]);
        let rules: Vec<KnownRule<'_>> = rules::all().map(KnownRule::from).collect();
        let config = config::load(&overrides, &rules).unwrap();
        let running = tokio::task::spawn_blocking(move || proxy::start(config).unwrap());
        let running = running.await.unwrap();
        let stage = Self {
            upstream,
            kidstamp: format!("http://{}", running.listen()),
            running: Some(running),
            key,
            answers,
            asked,
            _provider: provider,
            _folder: folder,
        };
        let mut patience = 500;
        while stage.get("/jwks").await.status() != StatusCode::OK {
            patience -= 1;
            assert!(patience > 0, "kidstamp does not know the provider");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage
    }

    /// From now on, `path` is answered with `response`; with a query, only that query.
    pub(crate) fn answer(&self, path: &str, response: Response<String>) {
        self.answers.lock().unwrap().insert(path.to_owned(), response);
    }

    /// The provider, without kidstamp before it.
    pub(crate) fn provider(&self) -> &str {
        &self.upstream
    }

    /// Kidstamp before the provider.
    pub(crate) fn kidstamp(&self) -> &str {
        &self.kidstamp
    }

    /// The requests that came to the provider since this was asked last, but kidstamp's own.
    pub(crate) fn take_asked(&self) -> Vec<Request<String>> {
        let own = |request: &Request<String>| {
            let path = request.uri().path();
            path == "/jwks" || path.starts_with("/.well-known")
        };
        let mut asked = self.asked.lock().unwrap();
        let taken = std::mem::take(&mut *asked);
        taken.into_iter().filter(|request| !own(request)).collect()
    }

    /// The last request for `path` that came to the provider.
    pub(crate) fn asked(&self, path: &str) -> Request<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().rev().find(|request| request.uri().path() == path).unwrap().clone()
    }

    /// A token of the provider, without a `kid`.
    pub(crate) fn token(&self, typ: &str, claims: Value) -> String {
        self.token_with(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), claims)
    }

    /// The same with another header.
    pub(crate) fn token_with(&self, header: &str, claims: Value) -> String {
        self.sign(&RSA_PKCS1_SHA256, header, claims)
    }

    /// The same with RSASSA-PSS.
    pub(crate) fn token_ps256(&self, typ: &str, claims: Value) -> String {
        self.sign(&RSA_PSS_SHA256, &format!(r#"{{"alg":"PS256","typ":"{typ}"}}"#), claims)
    }

    fn sign(&self, padding: &'static dyn RsaEncoding, header: &str, claims: Value) -> String {
        let mut all = json!({"iss": ISSUER, "aud": "rp", "sub": "u", "iat": clock::now()});
        all["exp"] = json!(clock::now() + 300);
        let members = claims.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(members);
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(all.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(padding, &random, input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", base64url::encode(signature))
    }

    /// The provider's public key.
    pub(crate) fn jwk(&self) -> String {
        let set: Value = serde_json::from_str(&key_set(&self.key)).unwrap();
        set["keys"][0].to_string()
    }

    /// What kidstamp answers.
    pub(crate) async fn get(&self, target: &str) -> Response<String> {
        get(&format!("{}{target}", self.kidstamp)).await.unwrap()
    }

    /// What kidstamp answers to a POST of `body`.
    pub(crate) async fn post(&self, target: &str, media: &str, body: &str) -> Response<String> {
        let mut request = Request::post(format!("{}{target}", self.kidstamp));
        request = request.header("content-type", media);
        send(request.body(body.to_owned()).unwrap()).await.unwrap()
    }

    /// True if `token` verifies as a strict relying party does it: by its `kid`, in kidstamp's key set.
    pub(crate) async fn accepts(&self, token: &str) -> bool {
        let set = self.get("/jwks").await.into_body();
        let Ok(jws) = CompactJws::parse(token) else { return false };
        let document = Document::parse(&set, Limits::DOCUMENT).unwrap();
        let keys = document.root().get("keys").unwrap();
        let named =
            keys.elements().find(|jwk| jwk.get_str("kid").as_deref() == jws.header().kid.text());
        let public = named.and_then(|jwk| PublicKey::from_jwk(jwk).ok());
        public.is_some_and(|public| VerificationKey::new(public).unwrap().verifies(&jws))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It waits for its threads, which this one must not.
        let running = self.running.take();
        std::thread::spawn(move || running.map(Running::stop));
    }
}

/// `token` with another last octet of its signature.
pub(crate) fn forge(token: &str) -> String {
    let (rest, end) = token.split_at(token.len() - 2);
    format!("{rest}{}", if end == "AA" { "BA" } else { "AA" })
}

/// A page.
pub(crate) fn page(html: &str) -> Response<String> {
    let mut response = Response::new(html.to_owned());
    let media = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert("content-type", media);
    response.headers_mut().insert("etag", HeaderValue::from_static("\"page\""));
    response
}

/// A field of `headers`.
pub(crate) fn field<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

fn discovery(algs: &[&str]) -> Response<String> {
    let at = |path: &str| format!("{ISSUER}{path}");
    let document = json!({
        "issuer": ISSUER,
        "jwks_uri": at("/jwks"),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "introspection_endpoint": at("/introspect"),
        "pushed_authorization_request_endpoint": at("/par"),
        "revocation_endpoint": at("/revoke"),
        "end_session_endpoint": at("/logout"),
        "backchannel_authentication_endpoint": at("/ciba"),
        "device_authorization_endpoint": at("/device"),
        "id_token_signing_alg_values_supported": algs,
        "response_types_supported": ["code", "id_token", "code id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post", "jwt"],
    });
    json(StatusCode::OK, document)
}

fn key_set(key: &RsaKeyPair) -> String {
    let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
    let [n, e] = [n, e].map(|number| base64url::encode(number.big_endian_without_leading_zero()));
    format!("{{\"keys\":[{{\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"{e}\"}}]}}")
}
