// Modal dialogs: the browser's own, removed when closed.
import { h } from './dom.js';
import { icon } from './icons.js';
import { t } from './text.js';

let made = 0;

/** Shows a <dialog> and waits until it is closed; its returnValue is the answer. `signal` closes it. */
export function openDialog(el, { signal } = {}) {
  const way = wayOf(document.activeElement);
  if (!el.isConnected) document.body.append(el);
  el.showModal();
  signal?.addEventListener('abort', () => el.close(), { once: true });
  return new Promise((done) => {
    el.addEventListener('close', () => {
      // The toasts may be inside: they move out first.
      const toasts = el.querySelector('.toasts');
      if (toasts) document.body.append(toasts);
      el.remove();
      backTo(way);
      done(el.returnValue);
    }, { once: true });
  });
}

function wayOf(el) {
  const way = [];
  for (let at = el; at && at !== document.body; at = at.parentElement) way.push(at);
  return way;
}

// The browser gives the focus back, but not to a button that was drawn anew meanwhile: then it goes to what stands there now.
function backTo(way) {
  if (document.activeElement && document.activeElement !== document.body) return;
  for (const at of way.filter((one) => one.isConnected)) {
    const next = at.matches('a[href], button, [tabindex]') ? at : at.querySelector('a[href], button:not([disabled])');
    if (!next) continue;
    next.focus({ preventScroll: true });
    if (document.activeElement === next) return;
  }
}

/** A dialog with a heading and a way out; `body` and `foot` are nodes. */
export function dialog({ head, body, foot, class: more }) {
  made += 1;
  const id = `dialog-${made}`;
  const close = h('button', { class: 'btn plain icon', type: 'button', aria: { label: t('words.close') }, on: { click: () => el.close() } }, icon('close'));
  const el = h('dialog', { class: more, aria: { labelledby: id } }, h('div', { class: 'dlg-head' }, h('h2', { id }, head), close), body, foot);
  return el;
}

/** Asks yes or no, the safe choice first in focus. Escape means no. */
export async function confirmDialog({ head, text, yes, no, danger = true }) {
  made += 1;
  const id = `dialog-${made}`;
  const choose = (value) => () => el.close(value);
  const el = h('dialog', { class: 'ask', role: 'alertdialog', aria: { labelledby: id, describedby: `${id}-text` } },
    h('div', { class: 'dlg-body' }, h('div', null, h('h2', { class: 'lead', id }, head), h('p', { class: 'soft', id: `${id}-text` }, text))),
    h('div', { class: 'dlg-foot' },
      h('button', { class: 'btn', type: 'button', autofocus: true, on: { click: choose('no') } }, no ?? t('words.keepIt')),
      h('button', { class: danger ? 'btn danger push' : 'btn main push', type: 'button', on: { click: choose('yes') } }, yes)));
  return (await openDialog(el)) === 'yes';
}
