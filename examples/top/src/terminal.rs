//! The terminal, which is given back as it was, whatever happens.

use std::{io, pin::pin};

use campanile_top::{
    client::{Port, filtered, follow},
    model::Model,
    view::{Reaction, Screen, Theme, draw},
};
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

/// So many events may wait to be drawn.
const WAITING: usize = 16;

/// Shows the port until a key or a signal ends it. Whether it answers at all is known before the screen is taken.
pub(crate) async fn show(port: Port, target: &str) -> Result<(), String> {
    let live = port.attach().await.map_err(|error| error.to_string())?;
    let (updates, mut told) = mpsc::channel(WAITING);
    let (filter, wanted) = watch::channel(String::new());
    // Not tasks of their own: a panic of theirs is the program's.
    let mut following = pin!(follow(port.clone(), live, updates.clone()));
    let mut asking = pin!(filtered(port, wanted, updates));

    let broken = |error: io::Error| format!("is shown no longer: {error}");
    let mut signals = Signals::new().map_err(broken)?;
    let mut restored = Restored::take().map_err(broken)?;
    let mut keys = pin!(EventStream::new());
    let mut model = Model::default();
    let mut screen = Screen::new(target, Theme::new(coloured()));
    loop {
        restored
            .0
            .draw(|frame| draw(frame, &model, &mut screen))
            .map_err(broken)?;
        tokio::select! {
            Some(update) = told.recv() => model.apply(update),
            () = &mut following => return Ok(()),
            () = &mut asking => return Ok(()),
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => match screen.press(key) {
                    Reaction::Leave => return Ok(()),
                    Reaction::Filter => { filter.send_replace(screen.filter().to_owned()); }
                    _ => {}
                },
                // A new size is drawn as everything is.
                Some(Ok(_)) => {}
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(()),
            },
            () = signals.any() => return Ok(()),
        }
    }
}

/// See <https://no-color.org>.
fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The terminal in raw mode, on its other screen. Dropping it, or a panic, gives it back.
struct Restored(DefaultTerminal);

impl Restored {
    fn take() -> io::Result<Self> {
        // Its panic hook restores the terminal before the message is printed.
        ratatui::try_init().map(Self).inspect_err(|_| ratatui::restore())
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What ends a program from outside.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
