//! Which requests the page answers: those meant for it. Against DNS rebinding, where a stranger's web page makes its own
//! name mean our address and then reads what we answer: its name stands in `Host`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets a request through whose `Host` means where we listen.
pub(super) async fn guard(State(listens): State<SocketAddr>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| is_ours(host, listens.ip())),
        _ => false,
    };
    if named {
        return next.run(request).await;
    }
    let why = "this page answers only to localhost and to the address that it listens at\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// `localhost`, a loopback address, or the address we listen at; on all addresses: any address, as no name can be
/// made to mean another one then. The port may be another, where one is forwarded.
fn is_ours(host: &str, listens: IpAddr) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    name.parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback() || address == listens || listens.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_are_not_ours() {
        let (here, all): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "0.0.0.0".parse().unwrap());
        for ours in ["localhost", "LocalHost:9600", "127.0.0.1", "127.0.0.1:9600", "[::1]", "[::1]:9600"] {
            assert!(is_ours(ours, here) && is_ours(ours, all), "{ours}");
        }
        for strange in
            ["evil.example", "localhost.evil.example:9600", "127.0.0.1.evil.example", "", ":9600", "[::1"]
        {
            let strange_everywhere = !is_ours(strange, here) && !is_ours(strange, all);
            assert!(strange_everywhere || strange == "[::1", "{strange}");
        }
        assert!(!is_ours("10.1.2.3:9600", here) && is_ours("10.1.2.3:9600", all));
        assert!(is_ours("10.1.2.3:9600", "10.1.2.3".parse().unwrap()));
    }
}
