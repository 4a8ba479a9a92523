// How figures are written.

const rounded = (value, digits) =>
  value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A number with about three digits that count. */
export function figure(value) {
  if (value === undefined || value === null) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return rounded(Number(value.toPrecision(3)), 0);
  if (size >= 100) return rounded(value, 0);
  if (size >= 10) return rounded(value, 1);
  return rounded(value, 2);
}

/** How many times another value. */
export const ratio = (value, limit) => (value === undefined || !limit ? "–" : `${(value / limit).toFixed(2)} ×`);
