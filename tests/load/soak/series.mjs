// Numbers over time: do they grow?

/** Growth of this share of the mean in an hour counts as growth. */
const FLAT_SHARE = 0.05;

/**
 * The straight line through a series (least squares), `at` in minutes. It is flat unless it certainly rises, by two
 * standard errors, faster than 5 % of its mean an hour.
 */
export function fit(points) {
  const count = points.length;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / count;
  const [x, y] = [mean(points.map(({ at }) => at)), mean(points.map(({ value }) => value))];
  const spread = points.reduce((sum, { at }) => sum + (at - x) ** 2, 0);
  const slope = points.reduce((sum, { at, value }) => sum + (at - x) * (value - y), 0) / spread;
  const rest = points.reduce((sum, { at, value }) => sum + (value - y - slope * (at - x)) ** 2, 0);
  const error = Math.sqrt(rest / (count - 2) / spread);
  const [perHour, errorPerHour] = [60 * slope, 60 * error];
  const flat = perHour - 2 * errorPerHour <= FLAT_SHARE * y;
  return { mean: y, first: points[0].value, last: points.at(-1).value, perHour, errorPerHour, flat };
}
