/** Milliseconds since 1970, finer than `Date.now`; the pages' clock is the same. */
export const now = () => performance.timeOrigin + performance.now();
