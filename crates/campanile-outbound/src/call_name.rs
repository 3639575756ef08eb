//! What the caller calls a call.

use std::borrow::Cow;

/// The names under which a call is counted. Goes into the request's extensions.
///
/// ```
/// use campanile_outbound::CallName;
///
/// let request = http::Request::get("http://10.0.0.7:8080/items/7")
///     .extension(CallName::new("stock", "get-item"))
///     .body(())?;
/// # Ok::<(), http::Error>(())
/// ```
///
/// An empty name is none. A name goes to a label as it is, so it must not be made of what strangers send; there is a
/// limit all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallName {
    host: Cow<'static, str>,
    view: Cow<'static, str>,
}

impl CallName {
    /// Names the host and the view.
    #[must_use]
    pub fn new(host: impl Into<Cow<'static, str>>, view: impl Into<Cow<'static, str>>) -> Self {
        Self {
            host: host.into(),
            view: view.into(),
        }
    }

    /// Names the host; the view is what the answer says.
    #[must_use]
    pub fn of_host(host: impl Into<Cow<'static, str>>) -> Self {
        Self::new(host, "")
    }

    /// Names the view; the host is the URL's.
    #[must_use]
    pub fn of_view(view: impl Into<Cow<'static, str>>) -> Self {
        Self::new("", view)
    }

    /// Returns the name of the host, if there is one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        Some(&*self.host).filter(|name| !name.is_empty())
    }

    /// Returns the name of the view, if there is one.
    #[must_use]
    pub fn view(&self) -> Option<&str> {
        Some(&*self.view).filter(|name| !name.is_empty())
    }
}
