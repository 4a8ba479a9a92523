// Where in a stream something broke and was mended. Kept for the tab, so that a reload shows as one more seam.

const MOST = 500;

/** A seam lies after a seq and before the next event: { after, kind: "cut" | "gap" | "reload" }. */
export class Seams {
  #key;
  #seams;
  /** How many of them, from the left, the timeline has shown already. */
  #shown = 0;

  constructor(stream) {
    this.#key = `ackwire-console:seams:${stream}`;
    this.#seams = read(this.#key);
  }

  add(after, kind) {
    if (after === 0 || this.#seams.some((seam) => seam.after === after)) return;
    this.#seams.push({ after, kind });
    this.#seams.sort((a, b) => a.after - b.after);
    if (this.#seams.length > MOST) {
      this.#seams.shift();
      this.#shown = Math.max(0, this.#shown - 1);
    }
  }

  /** The kind of the seam right before this event, if there is one; each is told once. */
  before(seq) {
    let kind = null;
    while (this.#shown < this.#seams.length && this.#seams[this.#shown].after < seq) {
      kind = this.#seams[this.#shown++].kind;
    }
    return kind;
  }

  save() {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#seams));
    } catch {
      // Without storage a reload forgets the seams; nothing else depends on them.
    }
  }
}

function read(key) {
  try {
    const seams = JSON.parse(sessionStorage.getItem(key) ?? "[]");
    return Array.isArray(seams) ? seams : [];
  } catch {
    return [];
  }
}
