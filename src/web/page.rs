//! The life of the page, or of the worker.

use std::rc::Weak;

use wasm_bindgen::prelude::*;
use web_sys::{Document, Event, EventTarget};

use super::shell::Shell;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL: EventTarget;
    /// A worker has none.
    #[wasm_bindgen(thread_local_v2, js_name = document)]
    static DOCUMENT: Option<Document>;
}

/// Of the window or the worker; a worker hears only of `online`.
const GLOBAL_EVENTS: [&str; 3] = ["online", "pageshow", "pagehide"];
/// Of the document, where there is one.
const DOCUMENT_EVENTS: [&str; 3] = ["visibilitychange", "freeze", "resume"];

/// Listens until dropped.
pub struct Page {
    global: EventTarget,
    document: Option<Document>,
    listener: Closure<dyn FnMut(Event)>,
}

impl Page {
    /// Begins to listen.
    pub fn watch(shell: Weak<Shell>) -> Self {
        let document = DOCUMENT.with(Clone::clone);
        let seen = document.clone();
        let listener = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let Some(shell) = shell.upgrade() else { return };
            let is_hidden = match event.type_().as_str() {
                "pagehide" | "freeze" => true,
                "visibilitychange" => seen.as_ref().is_some_and(Document::hidden),
                _ => false,
            };
            if is_hidden { shell.on_hide() } else { shell.on_wake() }
        });
        let page = Self { global: GLOBAL.with(Clone::clone), document, listener };
        page.each(|target, event, listener| {
            let _ = target.add_event_listener_with_callback(event, listener);
        });
        page
    }

    fn each(&self, act: impl Fn(&EventTarget, &str, &js_sys::Function)) {
        let listener = self.listener.as_ref().unchecked_ref();
        GLOBAL_EVENTS.iter().for_each(|event| act(&self.global, event, listener));
        if let Some(document) = &self.document {
            DOCUMENT_EVENTS.iter().for_each(|event| act(document, event, listener));
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.each(|target, event, listener| {
            let _ = target.remove_event_listener_with_callback(event, listener);
        });
    }
}
