// Makes nodes without markup, so that nothing from a view can become part of the page's code.

/** An element with properties (`class`, `data-…`, `aria-…`, `on…` functions) and children (nodes or text). */
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The element with that id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Replaces the children of a node, unless they would read the same: focus and scrolling stay where they are. */
export function refill(node, ...children) {
  const key = children.flat().map((child) => child?.outerHTML ?? child).join("\n");
  if (node.dataset.filled === key) return;
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  node.dataset.filled = key;
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  if (focused) node.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}
