// Pages that people write, with a part between two markers that a program writes.

/** Puts `text` between the markers of that name; at the end of a page that has none yet. */
export function insertMarked(page, name, command, text) {
  const begin = `<!-- ${name}: begin; written by \`${command}\` -->`;
  const end = `<!-- ${name}: end -->`;
  const block = `${begin}\n${text.trim()}\n${end}`;
  const [from, upto] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || upto < 0) return `${page.trimEnd()}\n\n${block}\n`;
  return page.slice(0, from) + block + page.slice(upto + end.length);
}
