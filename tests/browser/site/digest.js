// A short name for a long text, the same in the page and in the test that compares with it (FNV-1a, 32 bits).

/** The digest of a JSON value, as its text is written. */
export function digest(value) {
  let hash = 0x811c9dc5;
  for (const unit of new TextEncoder().encode(JSON.stringify(value))) hash = Math.imul(hash ^ unit, 0x01000193);
  return hash >>> 0;
}
