//! What is known of the service, made of the events of its admin port and of nothing else.

mod course;
mod known;
mod sample;
mod text;

pub use self::{
    course::{Course, Span},
    known::{About, Link, Model, Update},
    sample::{Call, Event, History, Queue, Request, Requests, Sample},
    text::Text,
};
