// JSON for reading: indented, its keys, texts and numbers told apart.
import { h } from '../dom.js';

const PART = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/g;

/** The value as text, indented by two. */
export const jsonText = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

/** The value as a <pre> that can be scrolled by keyboard; `label` names it. */
export function jsonView(value, label) {
  const text = jsonText(value);
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(PART)) {
    const [whole, quoted, colon] = found;
    const kind = colon ? 'k' : quoted ? 'v' : 'n';
    parts.push(text.slice(end, found.index), h('span', { class: kind }, quoted ?? whole), colon ?? '');
    end = found.index + whole.length;
  }
  return h('pre', { tabindex: 0, role: 'region', aria: { label } }, parts, text.slice(end));
}
