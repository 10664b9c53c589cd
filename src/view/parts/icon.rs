//! The mark and the icons, as inline SVG that takes the colour of the text around it.

use maud::{Markup, html};

use crate::factor::Method;

/// The vestibule: the outer arch, and the inner door that opens only behind it.
pub(in crate::view) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"
            aria-hidden="true" {
            path d="M4 29V8l12-5 12 5v21" {}
            path d="M10 29V14h12v15" {}
            path d="M16 14v15M19 21.5h.01M13 21.5h.01" {}
        }
    }
}

/// A 24-pixel line icon.
fn line(shapes: Markup) -> Markup {
    html! {
        svg.icon viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round" stroke-linecap="round"
            aria-hidden="true" { (shapes) }
    }
}

pub(in crate::view) fn method(method: Method) -> Markup {
    line(match method {
        Method::Totp => html! { rect x="7" y="2.5" width="10" height="19" rx="2.5" {} path d="M11 18.5h2" {} },
        Method::Webauthn => html! { circle cx="8" cy="12" r="4.5" {} path d="M12.5 12H21v4M17 12v3" {} },
        Method::Email => html! { rect x="3" y="5" width="18" height="14" rx="2.5" {} path d="m3.5 7.5 8.5 6 8.5-6" {} },
        Method::Sms => {
            html! { path d="M5.5 4h13A2.5 2.5 0 0 1 21 6.5v7a2.5 2.5 0 0 1-2.5 2.5H12l-5 4v-4H5.5A2.5 2.5 0 0 1 3 13.5v-7A2.5 2.5 0 0 1 5.5 4Z" {} path d="M8 10h.01M12 10h.01M16 10h.01" stroke-width="2.2" {} }
        }
        Method::External => {
            html! { path d="M4 21V7l8-4 8 4v14M4 21h16M9 21v-5h6v5" {} path d="M9 10h.01M15 10h.01M12 10h.01" stroke-width="2.2" {} }
        }
        Method::Recovery => {
            html! { circle cx="12" cy="12" r="9" {} circle cx="12" cy="12" r="3.5" {} path d="m5.6 5.6 3.9 3.9M14.5 14.5l3.9 3.9M18.4 5.6l-3.9 3.9M9.5 14.5l-3.9 3.9" {} }
        }
    })
}

pub(in crate::view) fn chevron() -> Markup {
    line(html! { path d="m9 6 6 6-6 6" {} })
}

pub(in crate::view) fn check() -> Markup {
    line(html! { path d="m5 12.5 4.5 4.5L19 7.5" {} })
}

pub(in crate::view) fn warning() -> Markup {
    line(html! { circle cx="12" cy="12" r="9" {} path d="M12 7.5v5.5M12 16.5h.01" {} })
}
