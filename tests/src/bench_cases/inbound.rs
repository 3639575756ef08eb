//! The inbound layers around a tower service, and their parts.

use campanile_core::{
    RequestContext, RequestId, clock::FastInstant, exchange::ExchangeLayer, layer_id::LayerId,
};
use campanile_inbound::{DeadlineLayer, InFlightLimitLayer, MetricsLayer, RequestIdLayer, stack};
use http::Extensions;
use tower::Layer;

use super::{
    BenchCase,
    case::{among_routes, case, micro},
    noop_recorder::NOOP_RECORDER,
    requests::{identified, plain},
    services::{NoOpLayer, ObserveNothing, Trivial},
};

static LAYER_IDENTITY: u8 = 0;

pub(super) fn count_duration_active() -> MetricsLayer {
    MetricsLayer::new()
        .with_recorder(&NOOP_RECORDER)
        .with_response_duration(false)
        .with_body_sizes(false)
}

pub(super) fn all_families() -> MetricsLayer {
    MetricsLayer::new().with_recorder(&NOOP_RECORDER)
}

pub(super) fn cases() -> Vec<BenchCase> {
    let tower = "tower: bare";
    let identified_tower = "tower: bare, id in the request";
    vec![
        micro("micro: nothing", || ()),
        micro("micro: two reads of the clock", || {
            let start = FastInstant::now();
            std::hint::black_box(start.seconds_until(FastInstant::now()));
        }),
        micro("micro: two reads of std's clock", || {
            std::hint::black_box(std::time::Instant::now().elapsed().as_secs_f64());
        }),
        micro("micro: enter and leave a nesting, twice", {
            let identity = LayerId::of(&LAYER_IDENTITY);
            move || {
                identity.enter();
                identity.enter();
                LayerId::leave();
                LayerId::leave();
            }
        }),
        micro("micro: look for a context", || {
            std::hint::black_box(RequestContext::with_current(|context| context.is_some()));
        }),
        micro("micro: a context in extensions, and current", {
            let id: RequestId = "0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40".parse().unwrap();
            move || {
                let context = RequestContext::new(id.clone());
                let mut extensions = Extensions::new();
                extensions.insert(context.clone());
                context.sync_scope(|| std::hint::black_box(&mut extensions).len());
            }
        }),
        case(tower, tower, Trivial, plain),
        case(
            "tower: layer that does nothing",
            tower,
            NoOpLayer.layer(Trivial),
            plain,
        ),
        case(
            "tower: exchange observed, nothing recorded",
            tower,
            ExchangeLayer::new(ObserveNothing).layer(Trivial),
            plain,
        ),
        case(
            "tower: metrics: count, duration, active",
            tower,
            count_duration_active().layer(Trivial),
            plain,
        ),
        case(
            "tower: metrics: every family",
            tower,
            all_families().layer(Trivial),
            plain,
        ),
        case(
            "tower: in-flight limit",
            tower,
            InFlightLimitLayer::new(512)
                .with_recorder(&NOOP_RECORDER)
                .layer(Trivial),
            plain,
        ),
        case(
            "tower: deadline layer, no deadline",
            tower,
            DeadlineLayer::new().layer(Trivial),
            plain,
        ),
        case(identified_tower, identified_tower, Trivial, identified),
        case(
            "tower: id taken, scoped, echoed",
            identified_tower,
            RequestIdLayer::new().layer(Trivial),
            identified,
        ),
        case(
            "tower: id taken, not in the table",
            identified_tower,
            RequestIdLayer::new().with_in_flight_table(false).layer(Trivial),
            identified,
        ),
        case(
            "tower: id generated, scoped, echoed",
            tower,
            RequestIdLayer::new().layer(Trivial),
            plain,
        ),
        case(
            "tower: stack(), every family",
            identified_tower,
            stack().with_metrics(all_families()).layer(Trivial),
            identified,
        ),
        among_routes(
            "tower: bare, 1 route named",
            "tower: bare, 1 route named",
            1,
            Trivial,
        ),
        among_routes(
            "tower: metrics, 1 route",
            "tower: bare, 1 route named",
            1,
            count_duration_active().layer(Trivial),
        ),
        among_routes(
            "tower: bare, 10,000 routes named",
            "tower: bare, 10,000 routes named",
            10_000,
            Trivial,
        ),
        among_routes(
            "tower: metrics, 10,000 routes",
            "tower: bare, 10,000 routes named",
            10_000,
            count_duration_active().with_route_limit(20_000).layer(Trivial),
        ),
    ]
}
