//! Who may come in.

use axum::body::Body;
use http::Request;
use workmanager_control_plane::api::Gate;
use workmanager_core_domain::Digest;

use crate::harness::{Answer, FakeClock, Harness, store};

async fn guarded(tokens: &[&str]) -> Harness {
    let clock = std::sync::Arc::<FakeClock>::default();
    Harness::with(store(clock.clone()), clock, Gate::new(tokens.iter().map(|token| Digest::of(token.as_bytes())))).await
}

async fn send(wm: &Harness, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    wm.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn with_tokens_everything_but_health_needs_one_of_them() {
    let wm = guarded(&["wm_one", "wm_two"]).await;
    for path in ["/v1/workers", "/v1/engines", "/v1/topics", "/metrics", "/v1/workers/x", "/unknown", "/health/"] {
        for headers in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer wm_three")],
            &[("authorization", "Bearer wm_on")],
            &[("authorization", "Bearer wm_one2")],
            &[("authorization", "Bearer WM_ONE")],
            &[("authorization", "Basic wm_one")],
            &[("authorization", "wm_one")],
            &[("x-api-key", "wm_one")],
            &[("host", "localhost")],
        ] {
            let answer = send(&wm, path, headers).await;
            answer.refused(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let digest = format!("Bearer {}", Digest::of(b"wm_one").hex());
    send(&wm, "/v1/workers", &[("authorization", &digest)]).await.refused(401, "unauthenticated");
    for token in ["Bearer wm_one", "bearer wm_two", "BEARER  wm_one "] {
        send(&wm, "/v1/workers", &[("authorization", token), ("host", "wm.example")]).await.expect(200);
        send(&wm, "/metrics", &[("authorization", token)]).await.expect(200);
    }
    for path in ["/health", "/health/live", "/healthz", "/readyz"] {
        send(&wm, path, &[]).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_must_look_like_one_even_if_its_digest_is_known() {
    let wm = guarded(&["plain"]).await;
    send(&wm, "/v1/workers", &[("authorization", "Bearer plain")]).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn without_tokens_only_requests_for_this_machine_are_served() {
    let wm = Harness::start().await;
    for host in ["localhost:5001", "127.0.0.1:5001", "[::1]:5001", "localhost", "LocalHost."] {
        send(&wm, "/v1/workers", &[("host", host)]).await.expect(200);
        send(&wm, "/v1/workers", &[("host", host), ("origin", "http://localhost:5001")]).await.expect(200);
    }
    send(&wm, "/v1/workers", &[]).await.expect(200);
    for host in ["evil.example", "evil.example:5001", "localhost.evil.example", "192.168.0.7:5001", "", "a@localhost"] {
        for path in ["/v1/workers", "/health", "/metrics"] {
            send(&wm, path, &[("host", host)]).await.refused(403, "host-refused");
        }
    }
    for origin in ["http://evil.example", "https://localhost.evil.example", "null", "", "file://"] {
        let headers = [("host", "localhost:5001"), ("origin", origin)];
        send(&wm, "/v1/workers", &headers).await.refused(403, "host-refused");
    }
    send(&wm, "http://evil.example/v1/workers", &[("host", "localhost")]).await.refused(403, "host-refused");
}
