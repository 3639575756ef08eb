//! Events out of bytes, after the [HTML standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream),
//! without what campanile-admin does not send: lines that end in CR alone, and ids.

use super::Failure;

/// No event is longer: five minutes of 250 hosts and listeners are less.
const LONGEST: usize = 64 << 20;

/// Bytes that may end anywhere, read as events.
#[derive(Debug, Default)]
pub struct Stream {
    begun: Vec<u8>,
    name: String,
    data: String,
}

impl Stream {
    /// Reads the next bytes, and tells each event in them by name and data.
    ///
    /// # Errors
    ///
    /// If an event is longer than 64 MiB, or `told` fails.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut told: impl FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.begun);
            let line = String::from_utf8_lossy(&line);
            self.line(line.strip_suffix('\r').unwrap_or(&line), &mut told)?;
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() + self.data.len() > LONGEST {
            return Err(Failure::TooLong);
        }
        Ok(())
    }

    fn line(
        &mut self,
        line: &str,
        told: &mut impl FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return if data.is_empty() {
                Ok(())
            } else {
                told(&name, &data)
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
