//! Servers that answer as no service should.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Reads each request, writes this and closes. Returns where.
pub(super) fn says(answer: &'static str) -> String {
    serve(move |mut connection| {
        let mut head = [0; 2048];
        // The client may have gone; the next one comes.
        if matches!(connection.read(&mut head), Ok(1..)) {
            let _ = connection.write_all(answer.as_bytes());
        }
    })
}

/// Reads each request and never answers: it knows no deadline that it could be the first to see pass. Returns where.
pub(super) fn silent() -> String {
    serve(|mut connection| {
        // Until the client gives up and closes, or its host ends it.
        let _ = io::copy(&mut connection, &mut io::sink());
    })
}

/// Resets each connection when a request comes: what is closed with bytes unread is reset. Returns where.
pub(super) fn resets() -> String {
    serve(|connection| {
        let _ = connection.peek(&mut [0]);
    })
}

fn serve(answer: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    // Ends with the process.
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(answer));
    address
}

/// Answers 307 to `/next` at `/start` and 302 to `target` elsewhere, for a while. Returns where.
pub(super) fn redirector(target: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let target = target.to_owned();
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 2048];
            let Ok(count) = connection.read(&mut head) else {
                return;
            };
            let at_start = String::from_utf8_lossy(&head[..count]).contains(" /start ");
            let (status, location) = if at_start { (307, "next") } else { (302, &*target) };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            // The client may have gone; the next one comes.
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    address
}

/// An address that lets connections wait for ever: its queue is full. It does as long as this lives.
pub(super) struct Full {
    pub(super) address: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let listener = runtime.expect("a runtime").block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
            socket
                .listen(1)
                .expect("it is bound")
                .into_std()
                .expect("a listener")
        });
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = Vec::new();
        // One more than its limit has room; the next is not let in.
        while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(connection);
            assert!(waiting.len() < 100, "a queue of one takes everybody");
        }
        Self {
            address: address.to_string(),
            _listener: listener,
            _waiting: waiting,
        }
    }
}
