//! A recorded event stream: the output of `curl --no-buffer ADMIN/live`.

use campanile_top::{
    client::EventParser,
    model::{Event, Model, Update},
};

const RECORDED: &str = include_str!("../recorded/live.txt");

/// Returns the events, in order.
pub(crate) fn events() -> Vec<Event> {
    let mut events = Vec::new();
    let read = EventParser::default().feed(RECORDED.as_bytes(), |name, data| {
        events.push(
            Event::parse(name, data)
                .expect("valid JSON")
                .expect("known event"),
        );
        Ok(())
    });
    read.expect("short event");
    events
}

/// Returns the model with all events applied.
pub(crate) fn model() -> Model {
    let mut model = Model::default();
    events()
        .into_iter()
        .for_each(|event| model.apply(Update::Event(event)));
    model
}
