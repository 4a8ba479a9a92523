// One picture for a workload: a bar for each contestant, longest is best.
import { contestants } from "../contestants/index.mjs";
import { figure } from "./figures.mjs";

const [WIDTH, LABEL, ROW, TOP] = [820, 330, 24, 58];
const COLORS = { bare: "#9aa5b1", ackwire: "#2f6fde" };
const OTHERS = "#c98a2b";

/** The medians of a column as bars; thin lines are the lowest and highest run. */
export function toSvg(title, { title: unit, column }, rows) {
  const bars = Object.entries(rows).flatMap(([name, { runs, median }]) => {
    const values = runs.map((row) => row[column]).filter(Number.isFinite);
    return values.length > 0
      ? [{ name, value: median[column], low: Math.min(...values), high: Math.max(...values) }]
      : [];
  });
  const height = TOP + bars.length * ROW + 12;
  const scale = (WIDTH - LABEL - 90) / Math.max(...bars.map(({ high }) => high));
  const lines = bars.map(({ name, value, low, high }, index) => {
    const { title, folder } = contestants[name];
    const y = TOP + index * ROW;
    const end = LABEL + value * scale;
    const span = `M${LABEL + low * scale} ${y + 9}H${LABEL + high * scale}`;
    return [
      text(LABEL - 8, y + 13, title, 'text-anchor="end"'),
      `<rect x="${LABEL}" y="${y}" width="${(value * scale).toFixed(1)}" height="18" fill="${COLORS[folder] ?? OTHERS}"/>`,
      `<path d="${span}" stroke="#1f2933" stroke-width="1"/>`,
      text(Math.max(end, LABEL + high * scale) + 6, y + 13, figure(value)),
    ].join("");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${text(12, 20, title, 'font-size="14" font-weight="600"')}
${text(12, 40, unit)}
${lines.join("\n")}
</svg>
`;
}

function text(x, y, content, attributes = "") {
  const escaped = content.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
  return `<text x="${x.toFixed(1)}" y="${y}" fill="#1f2933" ${attributes}>${escaped}</text>`;
}
