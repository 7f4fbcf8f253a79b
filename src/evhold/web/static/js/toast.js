// Short messages that come and go; never the only place of a fact.
import { h } from './dom.js';
import { icon } from './icons.js';
import { t } from './text.js';

const SHOWN_MS = 8000;
const SHAPE = { held: 'held', over: 'canceled', doubt: 'unconfirmed', fault: 'faulted', free: 'used', used: 'used' };

/** Says it in the corner and to screen readers. */
export function toast(head, text = '', { tone = 'held', shape = SHAPE[tone] } = {}) {
  const close = h('button', { class: 'btn plain slim icon', type: 'button', aria: { label: t('words.closeMessage') }, on: { click: () => el.remove() } }, icon('close'));
  const el = h('div', { class: `toast t-${tone}` }, icon(shape), h('p', null, h('b', null, head), text), close);
  region().append(el);
  let left = setTimeout(() => el.remove(), SHOWN_MS);
  el.addEventListener('pointerenter', () => clearTimeout(left));
  el.addEventListener('pointerleave', () => (left = setTimeout(() => el.remove(), SHOWN_MS)));
  return el;
}

// A modal dialog makes all else inert: the region moves into it, so that its messages can be read and closed.
function region() {
  let found = document.querySelector('.toasts');
  if (!found) found = h('div', { class: 'toasts', role: 'status', aria: { live: 'polite' } });
  const top = [...document.querySelectorAll('dialog[open]')].pop() ?? document.body;
  if (found.parentNode !== top) top.append(found);
  return found;
}

document.addEventListener('close', (event) => {
  const found = event.target instanceof HTMLDialogElement ? event.target.querySelector('.toasts') : null;
  if (found) document.body.append(found);
}, true);
