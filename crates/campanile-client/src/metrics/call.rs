//! One call, from its beginning to its one end.

use campanile_http::{
    RequestContext,
    body::{BodyEnd, How, OnBodyEnd},
    clock::Mark,
    grpc::Code,
    headers::view_name,
    in_flight::SeatRef,
};
use http::{Request, Response, StatusCode, uri::Authority};

use super::{
    counted::Counted,
    log::Line,
    options::{self, Options, with_host},
    rpc::RpcCall,
    table::{HostBlock, Table},
    view::ViewBlock,
};
use crate::{
    CallName, DeadlineExceeded,
    failure::{Failure, Type},
    names,
};

/// A call that has not ended.
///
/// Moved from the future to the body to its end; what is larger than this is moved by a call of `memmove`.
pub(super) struct Call {
    table: &'static Table,
    host: &'static HostBlock,
    view: Option<&'static ViewBlock>,
    seat: Option<SeatRef>,
    rpc: Option<RpcCall>,
    failure: Option<Failure>,
    log: Option<Box<Line>>,
    started: Mark,
    seconds: f64,
    /// The status of the head; 0 as long as there is none.
    status: u16,
    method: u8,
    /// Whether the answer may name the view.
    asks_view: bool,
    counted: Counted,
    views: u32,
    rpc_methods: u32,
}

const _: () = assert!(size_of::<Option<Call>>() <= 128);

impl Call {
    #[inline]
    pub(super) fn begin<B>(table: &'static Table, options: Option<&Options>, request: &Request<B>) -> Self {
        let name = request.extensions().get::<CallName>();
        let (hosts, views, rpc_methods) = match options {
            None => (options::HOSTS, options::VIEWS, options::RPC_METHODS),
            Some(options) => (options.hosts, options.views, options.rpc_methods),
        };
        let host = find_host(table, options, name, request, hosts);
        let view = name
            .and_then(CallName::view)
            .map(|view| table.view(host, view, views));
        let method = names::method(request.method());
        let counted = Counted::begin(table.source, options, host, method);
        let seat = RequestContext::with_current(|current| current.and_then(RequestContext::seat));
        if let Some(seat) = seat {
            seat.set_calling(host.label);
        }
        Self {
            table,
            host,
            view,
            counted,
            seat,
            rpc: RpcCall::begin(table, request),
            failure: None,
            log: Line::begin(request),
            seconds: 0.0,
            status: 0,
            method,
            asks_view: view.is_none() && options.is_none_or(|options| options.believes(host.name)),
            views: u32::try_from(views).unwrap_or(u32::MAX),
            rpc_methods: u32::try_from(rpc_methods).unwrap_or(u32::MAX),
            started: Mark::now(),
        }
    }

    /// Notes the head of the answer.
    #[inline]
    pub(super) fn head<B>(&mut self, response: &Response<B>) {
        self.leave_seat();
        self.seconds = self.started.seconds_until(Mark::now());
        let status = response.status();
        if (status == StatusCode::GATEWAY_TIMEOUT || self.rpc.is_some())
            && response.extensions().get::<DeadlineExceeded>().is_some()
        {
            self.fail(Failure::DEADLINE);
            return;
        }
        self.status = status.as_u16();
        if status.is_server_error() {
            self.failure = Some(Failure::HTTP);
        }
        if self.asks_view
            && let Some(name) = view_name(response.headers())
        {
            self.view = Some(self.table.view(self.host, name, self.views as usize));
        }
        if let Some(rpc) = &mut self.rpc {
            rpc.code = Code::from_headers(response.headers());
        }
    }

    /// Notes an error in place of the head.
    #[cold]
    pub(super) fn fail(&mut self, failure: Failure) {
        self.leave_seat();
        self.seconds = self.started.seconds_until(Mark::now());
        self.failure = Some(failure);
        if let Some(rpc) = &mut self.rpc {
            rpc.code = match failure {
                Failure::DEADLINE => Some(Code::DeadlineExceeded),
                Failure {
                    kind: Type::Cancelled,
                    ..
                } => Some(Code::Cancelled),
                _ => None,
            };
        }
    }

    /// Notes an error of the answer's body. An answer that was an error already is none a second time.
    #[cold]
    pub(super) fn fail_in_body(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    #[inline]
    fn leave_seat(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.set_app();
        }
    }

    /// Counts the call: the only place that does.
    #[inline]
    pub(super) fn end(&mut self) {
        let source = self.table.source;
        let view = self.view.unwrap_or(&self.host.unnamed);
        if self.counted == Counted::Usual {
            if let Some(active) = self.host.active(source) {
                active.decrement(1.0);
            }
            view.count(source);
        } else {
            let error = self.failure.map_or("", |failure| failure.kind.as_str());
            self.counted
                .end_apart(source, (self.host, view), (self.method, self.status, error));
        }
        if self.status != 0 {
            view.record(source, self.method, self.status, self.seconds);
        }
        if let Some(failure) = self.failure {
            view.fail(source, failure, self.status);
        }
        let mut folded = self.host.folded || view.folded;
        if let Some(rpc) = self.rpc.take() {
            folded |= rpc.end(self.table, self.rpc_methods as usize);
        }
        if folded {
            self.table.count_folded();
        }
        if let Some(line) = &self.log {
            line.write(self.host.name, view.view, self.status, self.failure, self.seconds);
        }
    }

    /// Counts the call as one that was dropped before its head.
    #[cold]
    pub(super) fn cancel(&mut self) {
        self.fail(Failure::CANCELLED);
        self.end();
    }
}

/// A call that ends once, by whatever comes first; nothing where a layer further out counts it.
pub(super) struct EndOfCall(pub(super) Option<Call>);

impl OnBodyEnd for EndOfCall {
    #[inline]
    fn on_body_end(&mut self, end: BodyEnd<'_>) {
        // Ended where it is: moving it out costs more than the rest of this.
        let Some(call) = &mut self.0 else { return };
        if let Some(rpc) = &mut call.rpc
            && rpc.code.is_none()
        {
            rpc.code = match end.how {
                How::Dropped => Some(Code::Cancelled),
                _ => end.trailers.and_then(Code::from_headers),
            };
        }
        call.end();
        self.0 = None;
    }
}

impl Drop for EndOfCall {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = &mut self.0 {
            call.cancel();
        }
    }
}

/// Finds the block of the host that a call goes to.
#[inline]
fn find_host<B>(
    table: &'static Table,
    options: Option<&Options>,
    name: Option<&CallName>,
    request: &Request<B>,
    limit: usize,
) -> &'static HostBlock {
    // What the options rename belongs to their layer, and the table to all of the recorder.
    let authority = match (options, name.and_then(CallName::host)) {
        (None, None) => request.uri().authority().map(Authority::as_str),
        _ => None,
    };
    if let Some(host) = authority.and_then(|authority| table.known_authority(authority)) {
        return host;
    }
    let host = with_host(options, name, request.uri(), request.headers(), |name| {
        table.host(name, limit)
    });
    if let Some(authority) = authority {
        table.remember_authority(authority, host);
    }
    host
}
