// Medians, and what lies at the edges.

/** The value below which the part `share` (0 to 1) of the values lies, by the nearest rank. */
export function quantile(values, share) {
  const known = values.filter((value) => value !== undefined && value !== null).sort((one, other) => one - other);
  if (known.length === 0) return undefined;
  return known[Math.max(0, Math.ceil(share * known.length) - 1)];
}

/** The middle value; of an even number of them the mean of the two. */
export function median(values) {
  const known = values.filter((value) => value !== undefined && value !== null).sort((one, other) => one - other);
  if (known.length === 0) return undefined;
  const half = Math.floor(known.length / 2);
  return known.length % 2 === 1 ? known[half] : (known[half - 1] + known[half]) / 2;
}

/** The median of each field over the rows. */
export function medians(rows) {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return Object.fromEntries([...names].map((name) => [name, median(rows.map((row) => row[name]))]));
}
