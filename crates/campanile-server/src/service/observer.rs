//! One request on its connection, from the call to the end of the response body.

use std::sync::Arc;

use campanile_core::box_pool::BoxPool;
use campanile_core::exchange::{
    Begin, ClientLeft, End, EndReason, Interrupt, MethodClass, Observe, Observer, run_both,
};
use campanile_core::grpc::{self, Code};
use campanile_core::headers::GRPC_STATUS;
use campanile_listen::CloseReason;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;

use super::head_check;
use crate::connection::{Connection, ConnectionState, Framing, ShutdownStage, StreamProgress, refuse};
use crate::rejection::{self, RejectReason};

/// Observes the requests of one connection.
pub(super) struct ObserveConnection<'a>(pub(super) &'a Arc<ConnectionState>);

impl<B: Body> Observe<B> for ObserveConnection<'_> {
    type Observer = ServedRequest;

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<ServedRequest> {
        let state = self.0;
        state.activity.request_began();
        let http1 = request.version() <= Version::HTTP_11;
        let served = ServedRequest {
            state: Some(Arc::clone(state)),
            progress: None,
            method: MethodClass::of(request.method()),
            http1,
            http10: request.version() <= Version::HTTP_10,
            has_body: http1 && !request.body().is_end_stream(),
            grpc: !http1 && *request.method() == Method::POST && grpc::is_grpc(request.headers()),
            is_cut: false,
            client_left: ClientLeft::No,
        };
        if http1 {
            let body = served.has_body.then(|| request.body().size_hint().exact());
            let framing = body.map(|length| length.map_or(Framing::Chunked, Framing::Length));
            state.upload.begin(framing);
        }
        if let Some(reason) = head_check::check(request, &state.context().limits) {
            return served.refuse(reason);
        }
        let extensions = request.extensions_mut();
        extensions.insert(Connection::new(Arc::clone(state)));
        #[cfg(feature = "axum")]
        if let Some(peer) = state.peer().tcp() {
            extensions.insert(axum::extract::ConnectInfo(peer));
        }
        #[cfg(feature = "tonic")]
        extensions.insert(tonic::transport::server::TcpConnectInfo {
            local_addr: state.local(),
            remote_addr: state.peer().tcp(),
        });
        Begin::Observe(served)
    }
}

/// One request, counted as in flight on its connection.
#[derive(Debug)]
pub(crate) struct ServedRequest {
    /// `None` after the end.
    state: Option<Arc<ConnectionState>>,
    /// Of an HTTP/2 response that has a body. The end of the stream's task is then the end of the request.
    progress: Option<Arc<StreamProgress>>,
    method: MethodClass,
    http1: bool,
    http10: bool,
    grpc: bool,
    /// Whether the request body may still arrive when the response is sent.
    has_body: bool,
    /// What is reported of the client while the observer is entered. hyper reads an HTTP/1 connection to its end only for a
    /// request body, or to drop the request.
    client_left: ClientLeft,
    /// Whether the server has responded itself: the request was refused, or cut before its response head.
    is_cut: bool,
}

thread_local! {
    static POOL: BoxPool<ServedRequest> = const { BoxPool::new() };
}

impl ServedRequest {
    fn state(&self) -> &ConnectionState {
        self.state.as_ref().expect("present until the end")
    }

    #[inline]
    pub(super) fn stage(&self) -> ShutdownStage {
        self.state().stage()
    }

    /// Refuses a request that the service has not seen, and counts it.
    #[cold]
    fn refuse(mut self, reason: RejectReason) -> Begin<Self> {
        let state = self.state();
        refuse(state, reason, None);
        if self.http1 {
            state.set_close_reason(CloseReason::Error);
            state.set_lingers(true);
        }
        let response = reason.respond(&state.context().limits, self.grpc, self.http1);
        self.is_cut = true;
        Begin::Respond(Box::new(response), Some(self))
    }

    #[inline]
    pub(super) fn progress(&self) -> Option<&Arc<StreamProgress>> {
        self.progress.as_ref()
    }

    /// Responds to a request that is cut before its response head, and counts it.
    #[cold]
    fn cut_response(&mut self) -> Response<()> {
        self.is_cut = true;
        self.state().context().handle.count_cut_requests(1);
        let mut response = Response::new(());
        if self.grpc {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, Code::Unavailable.to_header());
        } else {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        if self.http1 {
            self.close_connection(&mut response);
        }
        response
    }

    /// Responds to a request whose body stopped arriving.
    #[cold]
    fn timeout_response(&mut self) -> Response<()> {
        self.is_cut = true;
        let state = self.state();
        state.set_close_announced();
        state.set_lingers(true);
        rejection::request_timeout()
    }

    /// Asks an HTTP/1 client to close the connection.
    #[cold]
    fn close_connection<B>(&self, response: &mut Response<B>) {
        self.state().set_close_announced();
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

impl Observer for ServedRequest {
    const INTERRUPTS: bool = true;

    #[inline]
    fn enter(&mut self) {
        if self.has_body && self.state().has_read_ended() {
            self.client_left = match self.client_left {
                ClientLeft::No => ClientLeft::OncePolled,
                _ => ClientLeft::Yes,
            };
            self.client_left.report();
        }
    }

    #[inline]
    fn leave(&mut self) {
        if self.client_left != ClientLeft::No {
            ClientLeft::No.report();
        }
    }

    #[inline]
    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        if !self.http1 && !response.body().is_end_stream() {
            self.progress = Some(StreamProgress::begin());
        }
        if !self.http1 || self.is_cut {
            return;
        }
        let state = self.state();
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS
            || self.method == MethodClass::Connect && status.is_success()
        {
            state.set_upgraded();
        } else if state.is_closing() {
            self.close_connection(response);
        }
        if self.http10 && response.headers().contains_key(CONNECTION) {
            // hyper would add `keep-alive` to a response of HTTP/1.1.
            *response.version_mut() = Version::HTTP_10;
        }
        // If the handler does not read the request body, hyper ends the connection with this response.
        state.set_lingers(self.has_body);
    }

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let is_pending = matches!(cause, Interrupt::Pending(_));
        if is_pending && self.has_body && self.state().upload.is_timed_out() {
            return Some(self.timeout_response());
        }
        (is_pending && self.stage() >= ShutdownStage::Rejecting).then(|| self.cut_response())
    }

    #[inline]
    fn on_end(&mut self, end: End<'_>) {
        let Some(state) = self.state.take() else { return };
        let is_served = end.reason == EndReason::Complete && !self.is_cut;
        if let Some(progress) = &self.progress {
            progress.set_ended(is_served);
            state.activity.delivery_began();
            return;
        }
        // The request ends on its connection also if the recorder panics.
        run_both(
            || {
                if is_served {
                    state.context().handle.count_served_request();
                }
            },
            || state.activity.request_ended(),
        );
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(self: Box<Self>) {
        BoxPool::recycle(&POOL, self);
    }
}
