/** A frame of a screen of 60 Hz, in milliseconds. */
const FRAME_MS = 1000 / 60;

/** What a user would notice: frames that were not painted in time, and tasks that kept the page from answering. */
export class Smoothness {
  #isOver = false;
  #last = performance.now();
  #frames = 0;
  #dropped = 0;
  #longestGap = 0;
  #longTasks = [];
  #observer;

  constructor() {
    // The browser tells of tasks of 50 ms and more.
    this.#observer = new PerformanceObserver((list) => this.#note(list));
    this.#observer.observe({ type: "longtask" });
    requestAnimationFrame(this.#frame);
  }

  stop() {
    this.#isOver = true;
    this.#note({ getEntries: () => this.#observer.takeRecords() });
    this.#observer.disconnect();
    return {
      frames: this.#frames,
      dropped: this.#dropped,
      longestGapMs: this.#longestGap,
      longTasks: this.#longTasks.length,
      longestTaskMs: Math.max(0, ...this.#longTasks),
    };
  }

  #note(list) {
    for (const { duration } of list.getEntries()) this.#longTasks.push(duration);
  }

  #frame = () => {
    if (this.#isOver) return;
    const now = performance.now();
    const gap = now - this.#last;
    this.#last = now;
    this.#frames += 1;
    this.#longestGap = Math.max(this.#longestGap, gap);
    this.#dropped += Math.max(0, Math.round(gap / FRAME_MS) - 1);
    requestAnimationFrame(this.#frame);
  };
}
