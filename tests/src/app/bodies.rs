//! Bodies that go by a script.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tower::BoxError;

/// A step of a body.
#[derive(Clone)]
pub(super) enum Piece {
    Data(&'static str),
    Bytes(Bytes),
    Trailers(&'static str, &'static str),
    Error,
    Boom,
    /// Nothing more ever comes.
    Never,
    /// Data without end.
    Flood,
}

struct Script(VecDeque<Piece>);

/// Makes a body of unknown size.
pub(super) fn body(pieces: impl IntoIterator<Item = Piece>) -> Body {
    Body::new(Script(pieces.into_iter().collect()))
}

/// Frames a message for gRPC.
pub(super) fn message(content: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(content.len()).unwrap());
    framed.put_slice(content);
    framed.freeze()
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(piece) = self.0.pop_front() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match piece {
            Piece::Data(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
            Piece::Bytes(bytes) => Ok(Frame::data(bytes)),
            Piece::Trailers(name, value) => Ok(Frame::trailers(HeaderMap::from_iter([(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))),
            Piece::Error => Err("as asked".into()),
            Piece::Boom => panic!("as asked"),
            Piece::Never => {
                self.0.push_front(Piece::Never);
                return Poll::Pending;
            }
            Piece::Flood => {
                self.0.push_front(Piece::Flood);
                Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))
            }
        }))
    }
}
