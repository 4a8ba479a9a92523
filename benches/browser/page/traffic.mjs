/** What the page sends through its WebSockets from now on: messages, and bytes of their payloads (what it sends is ASCII). */
export const sent = { messages: 0, bytes: 0 };

const { send } = WebSocket.prototype;

WebSocket.prototype.send = function count(payload) {
  sent.messages += 1;
  sent.bytes += payload.length ?? payload.byteLength ?? payload.size;
  return send.call(this, payload);
};
