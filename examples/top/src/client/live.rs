//! The stream of events, attached once.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Failure, Stream, port::PATIENCE};
use crate::model::Event;

/// A stream of events.
#[derive(Debug)]
pub struct Live {
    body: Incoming,
    stream: Stream,
    read: VecDeque<Event>,
}

impl Live {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            stream: Stream::default(),
            read: VecDeque::new(),
        }
    }

    /// Waits for the next event. Nothing is lost when it is dropped.
    ///
    /// # Errors
    ///
    /// If the stream ends, is silent for ten seconds (an event a second is due), or is not what it should be.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| Failure::Silent)?.ok_or(Failure::Ended)?;
            let Ok(bytes) = frame.map_err(Failure::Http)?.into_data() else {
                continue;
            };
            self.stream.feed(&bytes, |name, data| {
                self.read
                    .extend(Event::read(name, data).map_err(Failure::Unreadable)?);
                Ok(())
            })?;
        }
    }
}
