//! The name of a call, set by the caller.

use std::borrow::Cow;

/// The host and view under which a call is counted. Set as an extension of the request.
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
/// An empty name counts as not set. Names are used as label values without validation and should not be made of input
/// from clients. They are bounded like all label values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallName {
    host: Cow<'static, str>,
    view: Cow<'static, str>,
}

impl CallName {
    /// Sets host and view.
    #[must_use]
    pub fn new(host: impl Into<Cow<'static, str>>, view: impl Into<Cow<'static, str>>) -> Self {
        Self {
            host: host.into(),
            view: view.into(),
        }
    }

    /// Sets the host. The view is the `X-View-Name` of the response.
    #[must_use]
    pub fn from_host(host: impl Into<Cow<'static, str>>) -> Self {
        Self::new(host, "")
    }

    /// Sets the view. The host is that of the URL.
    #[must_use]
    pub fn from_view(view: impl Into<Cow<'static, str>>) -> Self {
        Self::new("", view)
    }

    /// Returns the host, if set.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        Some(&*self.host).filter(|name| !name.is_empty())
    }

    /// Returns the view, if set.
    #[must_use]
    pub fn view(&self) -> Option<&str> {
        Some(&*self.view).filter(|name| !name.is_empty())
    }
}
