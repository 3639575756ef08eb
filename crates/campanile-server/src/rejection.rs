//! Why a request was refused before the service saw it, and the explanation for its client.

use std::borrow::Cow;

use bytes::Bytes;
use campanile_core::grpc::Code;
use campanile_core::headers::GRPC_STATUS;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::limits::HttpLimits;

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The label `reason` of `http_server_rejected_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectReason {
    BadRequest,
    UriTooLong,
    HeadersTooLarge,
    TlsOnPlainPort,
    ProtocolError,
    Host,
}

/// The text that explains a response of the server's own; an extension of that response.
#[derive(Clone, Debug)]
pub(crate) struct Explanation(pub(crate) Bytes);

/// Returns the response to an HTTP/1 request whose body stopped arriving.
#[cold]
pub(crate) fn request_timeout() -> Response<()> {
    let text = "The request body did not arrive in time.\n";
    let mut response = text_response(StatusCode::REQUEST_TIMEOUT, Bytes::from_static(text.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text_response(status: StatusCode, text: Bytes) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response.extensions_mut().insert(Explanation(text));
    response
}

impl RejectReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TlsOnPlainPort => "tls_on_plain_port",
            Self::ProtocolError => "protocol_error",
            Self::Host => "host",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BadRequest | Self::TlsOnPlainPort | Self::ProtocolError | Self::Host => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    fn code(self) -> Code {
        match self {
            Self::UriTooLong | Self::HeadersTooLarge => Code::ResourceExhausted,
            Self::BadRequest | Self::TlsOnPlainPort | Self::ProtocolError | Self::Host => Code::Internal,
        }
    }

    /// Returns one line of text. It carries nothing that the client sent.
    pub(crate) fn explanation(self, limits: &HttpLimits) -> Cow<'static, str> {
        match self {
            Self::BadRequest => "The request is not valid HTTP.\n".into(),
            Self::UriTooLong => "The request target is too long.\n".into(),
            Self::HeadersTooLarge => format!(
                "The request head is too large: at most {} bytes and {} header fields are accepted.\n",
                limits.max_head_bytes, limits.max_headers
            )
            .into(),
            Self::TlsOnPlainPort => "The client speaks TLS, but this port expects plain HTTP.\n".into(),
            Self::ProtocolError => "The request violates HTTP/2.\n".into(),
            Self::Host => "The request needs exactly one valid Host header field.\n".into(),
        }
    }

    /// Returns the response to a request that hyper accepted: a status, or trailers only for gRPC.
    pub(crate) fn respond(self, limits: &HttpLimits, is_grpc: bool, is_http1: bool) -> Response<()> {
        let explanation = self.explanation(limits);
        if is_grpc {
            let mut response = Response::new(());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, self.code().to_header());
            if let Ok(message) = HeaderValue::from_str(explanation.trim_end()) {
                headers.insert(GRPC_MESSAGE, message);
            }
            return response;
        }
        let mut response = text_response(self.status(), Bytes::from(explanation.into_owned()));
        if is_http1 {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Returns the bytes of an HTTP/1 response to bytes from which no request could be read.
    pub(crate) fn http1_response(self, limits: &HttpLimits) -> Vec<u8> {
        let text = self.explanation(limits);
        format!(
            "HTTP/1.1 {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            self.status(),
            text.len()
        )
        .into_bytes()
    }
}
