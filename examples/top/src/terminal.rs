//! The interactive mode.

use std::{io, pin::pin};

use campanile_top::{
    client::{AdminClient, follow, poll_filtered},
    model::Model,
    view::{KeyAction, Screen, Theme, draw},
};
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

const QUEUED_UPDATES: usize = 16;

/// Shows the port until a key or a signal ends the program. The first connection is made before the terminal is switched to raw
/// mode, so that its error is printed normally.
pub(crate) async fn show(client: AdminClient, target: &str) -> Result<(), String> {
    let live = client.connect().await.map_err(|error| error.to_string())?;
    let (updates, mut received) = mpsc::channel(QUEUED_UPDATES);
    let (filter, filter_changes) = watch::channel(String::new());
    // Not spawned, so that a panic ends the program.
    let mut following = pin!(follow(client.clone(), live, updates.clone()));
    let mut polling = pin!(poll_filtered(client, filter_changes, updates));

    let io_error = |error: io::Error| format!("terminal error: {error}");
    let mut signals = Signals::new().map_err(io_error)?;
    let mut guard = TerminalGuard::new().map_err(io_error)?;
    let mut keys = pin!(EventStream::new());
    let mut model = Model::default();
    let mut screen = Screen::new(target, Theme::new(coloured()));
    loop {
        guard
            .0
            .draw(|frame| draw(frame, &model, &mut screen))
            .map_err(io_error)?;
        tokio::select! {
            Some(update) = received.recv() => model.apply(update),
            () = &mut following => return Ok(()),
            () = &mut polling => return Ok(()),
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => match screen.press(key) {
                    KeyAction::Quit => return Ok(()),
                    KeyAction::FilterChanged => { filter.send_replace(screen.filter().to_owned()); }
                    _ => {}
                },
                // Resize events redraw as well.
                Some(Ok(_)) => {}
                // The terminal was closed.
                Some(Err(_)) | None => return Ok(()),
            },
            () = signals.recv() => return Ok(()),
        }
    }
}

/// See <https://no-color.org>.
fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The terminal in raw mode, on the alternate screen. Restored on drop and by ratatui's panic hook.
struct TerminalGuard(DefaultTerminal);

impl TerminalGuard {
    fn new() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| ratatui::restore())
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// The signals that end the program.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn recv(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
