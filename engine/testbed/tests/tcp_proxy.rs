//! The TCP proxy forwards, delays, holds, cuts and refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use thalweg_testbed::process::wait_until;
use thalweg_testbed::proxy::{TcpProxy, Traffic};

/// A server that sends everything back.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    address
}

fn connect(proxy: &TcpProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn round_trip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, bytes);
    Ok(())
}

/// Whether the other end hung up: the end of the stream or a reset, not mere silence.
fn hung_up(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn bytes_pass_in_order_and_are_counted() {
    let proxy = TcpProxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = bytes.clone();
    let sender = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    sender.join().unwrap();
    assert!(back == bytes, "bytes differ");
    assert_eq!((proxy.connections(), proxy.bytes()), (1, 2 * bytes.len() as u64));
}

#[test]
fn a_delay_is_added_in_both_directions() {
    let proxy = TcpProxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Traffic::Forward { delay_ms: 100 });
    let begin = Instant::now();
    round_trip(&mut stream, b"slow").unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[test]
fn a_black_hole_holds_bytes_until_it_heals() {
    let proxy = TcpProxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    round_trip(&mut stream, b"before").unwrap();
    proxy.set(Traffic::BlackHole);
    stream.write_all(b"held").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let error = stream.read(&mut [0; 4]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    // Connecting works, as it does into a network that drops everything but the handshake.
    let _new = connect(&proxy);
    proxy.set(Traffic::Forward { delay_ms: 0 });
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"held");
}

#[test]
fn cut_ends_connections_and_refuse_ends_new_ones_too() {
    let proxy = TcpProxy::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    round_trip(&mut stream, b"before").unwrap();
    proxy.cut();
    assert!(hung_up(&mut stream), "still connected");
    let mut stream = connect(&proxy);
    round_trip(&mut stream, b"again").unwrap();

    for _ in 0..3 {
        proxy.set(Traffic::Refuse);
        assert!(hung_up(&mut stream), "still connected");
        let refused = || matches!(TcpStream::connect(proxy.address()), Err(error) if error.kind() == ErrorKind::ConnectionRefused);
        assert!(wait_until(Duration::from_secs(5), refused), "not refused");
        proxy.set(Traffic::Forward { delay_ms: 0 });
        assert!(
            wait_until(Duration::from_secs(5), || TcpStream::connect(proxy.address()).is_ok()),
            "not healed"
        );
        stream = connect(&proxy);
        round_trip(&mut stream, b"healed").unwrap();
    }
}

#[test]
fn a_proxy_before_nothing_hangs_up_and_a_dropped_one_is_gone() {
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let proxy = TcpProxy::start(&nothing).unwrap();
    assert!(hung_up(&mut connect(&proxy)));
    let address = proxy.address();
    drop(proxy);
    assert!(TcpStream::connect(address).is_err());
}
