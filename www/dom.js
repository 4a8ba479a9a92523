// Small help with the DOM. Texts of events go in as text, never as markup.

/** Makes an element: attributes by name (`class`, `dateTime`, …), children as nodes or text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Sets a text only if it is another, so that nothing is laid out or announced again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}
