//! Servers that misbehave.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Starts a server that responds with these bytes and closes. Returns its address.
pub(super) fn responding_with(response: &'static str) -> String {
    serve(move |mut connection| {
        let mut head = [0; 2048];
        // The client may have closed the connection.
        if matches!(connection.read(&mut head), Ok(1..)) {
            let _ = connection.write_all(response.as_bytes());
        }
    })
}

/// Starts a server that never responds, whatever the deadline. Returns its address.
pub(super) fn silent() -> String {
    serve(|mut connection| {
        // Until the client closes the connection.
        let _ = io::copy(&mut connection, &mut io::sink());
    })
}

/// Starts a server that resets each connection, by closing it with unread bytes. Returns its address.
pub(super) fn resetting() -> String {
    serve(|connection| {
        let _ = connection.peek(&mut [0]);
    })
}

fn serve(respond: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the listener is bound").to_string();
    // The thread ends with the process.
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(respond));
    address
}

/// Starts a server that redirects `/start` to `/next` with 307, and other paths to `target` with 302. Returns its address.
pub(super) fn redirecting(target: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the listener is bound").to_string();
    let target = target.to_owned();
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 2048];
            let Ok(count) = connection.read(&mut head) else {
                return;
            };
            let at_start = String::from_utf8_lossy(&head[..count]).contains(" /start ");
            let (status, location) = if at_start { (307, "next") } else { (302, &*target) };
            let response = format!(
                "HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            // The client may have closed the connection.
            let _ = connection.write_all(response.as_bytes());
        }
    });
    address
}

/// A listener whose accept queue is full, so that connecting to it times out.
pub(super) struct FullQueue {
    pub(super) address: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullQueue {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let listener = runtime.expect("a runtime").block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
            socket
                .listen(1)
                .expect("the listener is bound")
                .into_std()
                .expect("a listener")
        });
        let address = listener.local_addr().expect("the listener is bound");
        let mut waiting = Vec::new();
        // The queue holds one connection more than its limit.
        while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(connection);
            assert!(waiting.len() < 100, "the accept queue is not bounded");
        }
        Self {
            address: address.to_string(),
            _listener: listener,
            _waiting: waiting,
        }
    }
}
