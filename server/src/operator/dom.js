// Small help with the DOM. What comes from events goes in as text, never as markup.

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes an element: attributes by name, children as nodes or text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Sets a text only if it is another, so that nothing is laid out, selected or announced again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute only if it is another; `null` removes it. */
export function setAttribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const made = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in their order. A child is made once for each key and updated from
 * then on: what the reader has focused or selected stays.
 */
export function list(parent, items, { key, create, update }) {
  const known = made.get(parent) ?? new Map();
  const kept = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const child = known.get(name) ?? create(item);
    kept.set(name, child);
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const [name, child] of known) {
    if (!kept.has(name)) child.remove();
  }
  made.set(parent, kept);
}
