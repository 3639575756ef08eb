//! What a load is told to do, in the order in which it is told.

use std::time::Duration;

use tokio::sync::watch;

/// How long an answer may take to come, or to break off, once its server is gone.
const GRACE: Duration = Duration::from_secs(1);

/// What a load is to do. Each follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a protocol between two halves of one program"
)]
pub enum Order {
    /// Ask, answer after answer.
    Ask,
    /// A burst of connections, now.
    Burst,
    /// The server is gone: nothing new, and an end with what is open.
    Finish,
    /// Nobody wants to know any more.
    Abandon,
}

/// The orders to one load.
#[derive(Debug, Clone)]
pub struct Orders(watch::Receiver<Order>);

impl Orders {
    /// Returns where orders are given, and where they are read.
    #[must_use]
    pub fn channel() -> (watch::Sender<Order>, Self) {
        let (sender, receiver) = watch::channel(Order::Ask);
        (sender, Self(receiver))
    }

    /// Tells whether an order has been given.
    #[must_use]
    pub fn given(&self, order: Order) -> bool {
        *self.0.borrow() >= order
    }

    /// Waits for an order.
    pub async fn until(&self, order: Order) {
        // Without anyone to give it, it will not come: for ever is right.
        if self.0.clone().wait_for(|given| *given >= order).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the server is gone for so long that no answer and no end of a connection can be on its way.
    pub async fn past_grace(&self) {
        self.until(Order::Finish).await;
        tokio::time::sleep(GRACE).await;
    }
}
