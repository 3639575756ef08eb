//! The event stream of an admin port.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{ClientError, admin_client::TIMEOUT};
use crate::model::Event;

/// The largest event. An hour of history with 250 hosts and listeners is smaller.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// A connected event stream.
#[derive(Debug)]
pub struct LiveStream {
    body: Incoming,
    parser: EventParser,
    parsed: VecDeque<Event>,
}

impl LiveStream {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            parser: EventParser::default(),
            parsed: VecDeque::new(),
        }
    }

    /// Waits for the next event. Cancel safe.
    ///
    /// # Errors
    ///
    /// Returns an error if the stream ends, is invalid, or has no data for ten seconds. The port sends an event every second.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Ok(event);
            }
            let frame = timeout(TIMEOUT, self.body.frame()).await;
            let frame = frame
                .map_err(|_| ClientError::TimedOut)?
                .ok_or(ClientError::Ended)?;
            let Ok(bytes) = frame.map_err(ClientError::Http)?.into_data() else {
                continue;
            };
            self.parser.feed(&bytes, |name, data| {
                let event = Event::parse(name, data).map_err(ClientError::Json)?;
                self.parsed.extend(event);
                Ok(())
            })?;
        }
    }
}

/// An incremental parser of
/// [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
///
/// It does not support what campanile-admin never sends: lines that end in a lone CR, and event IDs.
#[derive(Debug, Default)]
pub struct EventParser {
    partial_line: Vec<u8>,
    name: String,
    data: String,
}

impl EventParser {
    /// Parses the next bytes, which may end anywhere. Calls `on_event` with the name and data of each complete event.
    ///
    /// # Errors
    ///
    /// Returns an error if an event is larger than 64 MiB, or the error of `on_event`.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut on_event: impl FnMut(&str, &str) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.partial_line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.partial_line);
            let line = String::from_utf8_lossy(&line);
            self.line(line.strip_suffix('\r').unwrap_or(&line), &mut on_event)?;
        }
        self.partial_line.extend_from_slice(rest);
        if self.partial_line.len() + self.data.len() > MAX_EVENT_BYTES {
            return Err(ClientError::TooLong);
        }
        Ok(())
    }

    fn line(
        &mut self,
        line: &str,
        on_event: &mut impl FnMut(&str, &str) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return if data.is_empty() {
                Ok(())
            } else {
                on_event(&name, &data)
            };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}
