// Elements without innerHTML: whatever comes from outside becomes text.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. Children: nodes, strings, numbers; null and false are skipped, arrays flattened. */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(el, name, value);
  add(el, children);
  return el;
}

/** Sets one prop as `h` does: class, on, data, aria, style (an object, through the CSSOM), or an attribute. */
export function set(el, name, value) {
  if (name === 'on') for (const [event, fn] of Object.entries(value)) el.addEventListener(event, fn);
  else if (name === 'data') for (const [key, one] of Object.entries(value)) give(el, `data-${dashed(key)}`, one);
  else if (name === 'aria') for (const [key, one] of Object.entries(value)) give(el, `aria-${key.toLowerCase()}`, one === true ? 'true' : one === false ? 'false' : one);
  else if (name === 'style') for (const [key, one] of Object.entries(value)) el.style.setProperty(dashed(key), one);
  else if (name === 'value' && 'value' in el && el.namespaceURI !== SVG) el.value = value ?? '';
  else give(el, name, value);
}

function give(el, name, value) {
  if (value == null || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? '' : String(value));
}

function dashed(name) {
  return name.startsWith('--') ? name : name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function add(el, children) {
  for (const child of children.flat(Infinity)) if (child != null && child !== false && child !== true) el.append(child);
}

/** Removes all children. */
export function clear(el) {
  el.replaceChildren();
}

/** Puts these children in place of all others. */
export function fill(el, ...children) {
  el.replaceChildren();
  add(el, children);
  return el;
}

/** Sets the text only when it is another one, so that nothing is drawn anew for nothing. */
export function say(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

const kept = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in order, keeping elements by key.
 * `create(item)` makes one; `update(el, item)` runs for each, just made or not. Returns Map(key -> element).
 */
export function keyed(parent, items, keyOf, create, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const el = before.get(key) ?? create(item);
    after.set(key, el);
    update?.(el, item);
  }
  for (const [key, el] of before) if (!after.has(key)) el.remove();
  let at = parent.firstElementChild;
  for (const el of after.values()) {
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
  }
  kept.set(parent, after);
  return after;
}
