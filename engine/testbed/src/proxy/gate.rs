//! A listening port that can be closed and opened again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Opening and closing are a few system calls of another task; one that takes longer is not waited for.
const SWITCHES_WITHIN: Duration = Duration::from_secs(5);

/// Whether the system takes connections, as the task that listens says.
#[derive(Debug, Default)]
struct Listening {
    is: Mutex<bool>,
    changed: Condvar,
}

impl Listening {
    fn set(&self, is: bool) {
        *self.is.lock() = is;
        self.changed.notify_all();
    }
}

/// Whether connections are accepted, and how often all of them have been cut; shared with every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GateState {
    pub(super) open: bool,
    pub(super) cuts: u64,
}

/// The controlling end of a gate.
#[derive(Debug)]
pub(super) struct Gate {
    address: SocketAddr,
    state: watch::Sender<GateState>,
    listening: Arc<Listening>,
}

impl Gate {
    /// Binds `address` (port 0: any) and calls `serve` for each connection, on the current runtime.
    pub(super) fn listen<F, S>(address: SocketAddr, serve: S) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(TcpStream) -> F + Send + Sync + 'static,
    {
        let socket = bound(address)?;
        let address = socket.local_addr()?;
        let (state, watched) = watch::channel(GateState { open: true, cuts: 0 });
        let listener = socket.listen(BACKLOG)?;
        let listening = Arc::new(Listening { is: Mutex::new(true), changed: Condvar::new() });
        tokio::spawn(accept_all(address, listener, watched, Arc::clone(&listening), serve));
        Ok(Self { address, state, listening })
    }

    /// Where it listens, also while closed.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections (again), or refuses them and cuts those there are; so it is when this returns.
    pub(super) fn set_open(&self, open: bool) {
        self.state.send_if_modified(|state| {
            let changed = state.open != open;
            state.open = open;
            state.cuts += u64::from(changed && !open);
            changed
        });
        let mut is = self.listening.is.lock();
        self.listening.changed.wait_while_for(&mut is, |is| *is != open, SWITCHES_WITHIN);
    }

    /// Ends every connection there is.
    pub(super) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections of before the closing linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept_all<F, S>(
    address: SocketAddr,
    listener: TcpListener,
    mut state: watch::Receiver<GateState>,
    listening: Arc<Listening>,
    serve: S,
) where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + Sync + 'static,
{
    let mut listener = Some(listener);
    loop {
        if let Some(open) = listener.take() {
            listener = accept_while_open(open, &mut state, &serve).await;
            continue;
        }
        // Bound but not listening: the system refuses connections, and nobody else gets the port.
        let Ok(socket) = bound(address) else {
            tokio::task::yield_now().await;
            continue;
        };
        listening.set(false);
        if state.wait_for(|state| state.open).await.is_err() {
            return;
        }
        listener = socket.listen(BACKLOG).ok();
        listening.set(listener.is_some());
    }
}

/// Gives the listener back after serving one connection, or `None` once the gate is closed.
async fn accept_while_open<F, S>(
    listener: TcpListener,
    state: &mut watch::Receiver<GateState>,
    serve: &S,
) -> Option<TcpListener>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + Sync + 'static,
{
    let mut cut = state.clone();
    tokio::select! {
        biased;
        closed = state.wait_for(|state| !state.open) => {
            drop(closed);
            None
        }
        accepted = listener.accept() => {
            // A connection that failed while it waited is its client's business.
            if let Ok((stream, _)) = accepted {
                let _ = stream.set_nodelay(true);
                let served = serve(stream);
                let cuts = cut.borrow().cuts;
                tokio::spawn(async move {
                    tokio::select! {
                        () = served => {}
                        _ = cut.wait_for(|state| state.cuts != cuts) => {}
                    }
                });
            }
            Some(listener)
        }
    }
}
