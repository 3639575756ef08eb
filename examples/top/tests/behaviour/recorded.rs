//! What a port has sent: the file is what `curl --no-buffer ADMIN/live` has seen.

use campanile_top::{
    client::Stream,
    model::{Event, Model, Update},
};

const RECORDED: &str = include_str!("../recorded/live.txt");

/// The events, in order.
pub(crate) fn events() -> Vec<Event> {
    let mut events = Vec::new();
    let read = Stream::default().feed(RECORDED.as_bytes(), |name, data| {
        events.push(
            Event::read(name, data)
                .expect("it is readable")
                .expect("its name is known"),
        );
        Ok(())
    });
    read.expect("it is short");
    events
}

/// All that they tell.
pub(crate) fn model() -> Model {
    let mut model = Model::default();
    events()
        .into_iter()
        .for_each(|event| model.apply(Update::Event(event)));
    model
}
