// Finds the WebSocket frames (RFC 6455) in what a server sends, so that whole messages can be dropped, doubled, swapped.

/** How the answer begins after which frames come. */
const UPGRADED = "HTTP/1.1 101";

/** Passes bytes through; each unfragmented text message goes to `change(text)`, which returns those to send instead. */
export class FrameFilter {
  #change;
  #held = Buffer.alloc(0);
  /** What comes: the `"answer"` to the handshake, `"frames"` after it, or after any other answer just `"bytes"`. */
  #stage = "answer";

  constructor(change) {
    this.#change = change;
  }

  /** Takes the next bytes, returns those to forward. Incomplete frames wait for their rest. */
  pass(chunk) {
    if (this.#stage === "bytes") return chunk;
    this.#held = Buffer.concat([this.#held, chunk]);
    const out = [];
    if (this.#stage === "answer") {
      const beginning = this.#held.toString("latin1", 0, UPGRADED.length);
      if (!UPGRADED.startsWith(beginning)) {
        this.#stage = "bytes";
        return this.#held;
      }
      const end = this.#held.indexOf("\r\n\r\n");
      if (end < 0) return Buffer.alloc(0);
      this.#stage = "frames";
      out.push(this.#take(end + 4));
    }
    for (let frame = this.#next(); frame; frame = this.#next()) out.push(frame);
    return Buffer.concat(out);
  }

  #next() {
    const held = this.#held;
    if (held.length < 2) return undefined;
    // A server's frames are not masked: two bytes, the longer length if any, the payload.
    const short = held[1] & 0x7f;
    const head = { 126: 4, 127: 10 }[short] ?? 2;
    if (held.length < head) return undefined;
    const length = { 126: () => held.readUInt16BE(2), 127: () => Number(held.readBigUInt64BE(2)) }[short]?.() ?? short;
    if (held.length < head + length) return undefined;
    const frame = this.#take(head + length);
    const wholeText = frame[0] === 0x81;
    return wholeText ? Buffer.concat(this.#change(frame.toString("utf8", head)).map(encode)) : frame;
  }

  #take(bytes) {
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }
}

function encode(text) {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
