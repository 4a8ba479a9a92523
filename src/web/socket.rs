//! A WebSocket whose words carry the name that the session gave it.

use std::rc::Weak;

use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::shell::Shell;
use crate::receive::SocketId;
use crate::wire::SUBPROTOCOL;

/// One WebSocket. Dropped, it says nothing any more.
pub struct Socket {
    id: SocketId,
    socket: WebSocket,
    // They live as long as the browser may call them.
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    /// Opens a socket. The browser throws at once for an address that the page may not use, such as `ws:` on `https:`.
    pub fn open(url: &str, id: SocketId, shell: &Weak<Shell>) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        let on_open = {
            let shell = shell.clone();
            Closure::<dyn FnMut()>::new(move || {
                if let Some(shell) = shell.upgrade() {
                    shell.on_open(id);
                }
            })
        };
        let on_message = {
            let shell = shell.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                if let Some(shell) = shell.upgrade() {
                    shell.on_message(id, &event.data());
                }
            })
        };
        let on_close = {
            let shell = shell.clone();
            Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
                if let Some(shell) = shell.upgrade() {
                    shell.on_close(id, event.code(), &event.reason());
                }
            })
        };
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { id, socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }

    /// The session's name for it.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Sends a text. On a socket that is closing it is dropped: what must arrive is sent again after `welcome`.
    pub fn send(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }

    /// Closes it. Refused by the browser only for codes and reasons that the session never gives.
    pub fn close(&self, code: u16, reason: &str) {
        let _ = self.socket.close_with_code_and_reason(code, reason);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}
