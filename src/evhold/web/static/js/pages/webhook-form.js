// The dialog in which a webhook is added, and the one that shows its secret, this once.
import { post } from '../api.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h, say } from '../dom.js';
import { when } from '../format.js';
import { icon } from '../icons.js';
import { stations } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { TYPES } from './token-form.js';

// By kind: the glob, and the names that it stands for (docs/events.md).
const KINDS = [
  ['reservation.*', ['accepted', 'refused', 'unconfirmed', 'used', 'reactivated', 'expired', 'canceled', 'removed', 'failed', 'replaced', 'expiring'].map((one) => `reservation.${one}`)],
  ['station.*', ['station.online', 'station.offline']],
  ['connector.status', []],
];

/** Opens the dialog for a new webhook; `saved(webhook)` is called when it is stored, and its secret is shown. */
export function addWebhook({ saved, signal }) {
  const events = eventChips();
  const wrong = h('p', { class: 'wrong t-fault', role: 'alert', hidden: true });
  const cancel = h('button', { class: 'btn push', type: 'button', on: { click: () => box.close() } }, t('words.cancel'));
  const send = h('button', { class: 'btn main', type: 'submit' }, t('webhooks.save'));
  const form = h('form', null, h('div', { class: 'dlg-body' }, fields(events), wrong), h('div', { class: 'dlg-foot' }, cancel, send));
  const box = dialog({ head: t('webhooks.addTitle'), body: form });
  form.addEventListener('input', () => (wrong.hidden = true));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const made = await save(form, { events: events.chosen(), send, wrong });
    if (!made) return;
    box.close();
    // Out of the first dialog before the second: the focus goes back to the button that opened it.
    setTimeout(() => {
      if (!signal.aborted) showSecret(made, { signal });
    });
    saved(made);
  });
  openDialog(box, { signal });
}

function fields(events) {
  const text = (name, label, hint, more) =>
    h('label', { class: 'field' }, h('span', null, label), h('input', { name, autocomplete: 'off', spellcheck: 'false', ...more }), h('span', { class: 'note quiet' }, hint));
  const kinds = h('select', { name: 'type' }, TYPES.map((one) => h('option', { value: one }, one)));
  return [
    text('url', t('webhooks.url'), t('webhooks.urlHint'), { required: true, maxlength: 2000, pattern: 'https?://[!-~]+', title: t('webhooks.urlRule'), inputmode: 'url', autofocus: true, placeholder: 'https://app.example/hooks' }),
    events.el,
    text('station', t('webhooks.station'), t('webhooks.stationHint'), { maxlength: 48, list: 'webhook-stations' }),
    h('datalist', { id: 'webhook-stations' }, [...stations.keys()].sort().map((one) => h('option', { value: one }))),
    h('div', { class: 'fields-2' },
      text('token', t('webhooks.token'), t('webhooks.tokenHint'), { maxlength: 36 }),
      h('label', { class: 'field' }, h('span', null, t('webhooks.type')), h('span', { class: 'select' }, kinds, icon('chevron')))),
  ];
}

// A glob covers its names: those can't be chosen beside it.
function eventChips() {
  const chips = new Map();
  const chip = (name, words, covered = []) => {
    const input = h('input', { type: 'checkbox', name: 'events', value: name, checked: name === '*' });
    chips.set(name, { input, covered });
    input.addEventListener('change', settle);
    return h('label', { class: 'chip' }, input, h('code', null, name), words);
  };
  const settle = () => {
    const off = new Set([...chips.values()].flatMap(({ input, covered }) => (input.checked ? covered : [])));
    for (const [name, { input }] of chips) {
      input.disabled = off.has(name);
      if (input.disabled) input.checked = false;
    }
  };
  const all = KINDS.flatMap(([glob, names]) => [glob, ...names]);
  const el = h('fieldset', { aria: { describedby: 'webhook-events' } },
    h('legend', null, t('webhooks.events')),
    h('div', { class: 'chips' }, chip('*', h('span', null, t('webhooks.everything')), all), KINDS.map(([glob, names]) => [chip(glob, null, names), names.map((one) => chip(one, null))])),
    h('p', { class: 'note quiet', id: 'webhook-events' }, t('webhooks.eventsHint')));
  settle();
  return { el, chosen: () => [...chips].filter(([, { input }]) => input.checked).map(([name]) => name) };
}

async function save(form, { events, send, wrong }) {
  const given = Object.fromEntries(new FormData(form));
  wrong.hidden = true;
  if (!events.length) return refuse(wrong, t('webhooks.noEvents'));
  const token = given.token.trim();
  send.disabled = true;
  try {
    return await post('/webhooks', {
      url: given.url.trim(),
      events,
      stationId: given.station.trim() || null,
      idToken: token ? { idToken: token, type: given.type } : null,
    });
  } catch (error) {
    return refuse(wrong, reasonOf(error));
  } finally {
    send.disabled = false;
  }
}

function reasonOf(error) {
  const broken = error.body?.errors?.map?.((one) => [one.field, one.message].filter(Boolean).join(': ')).join('; ');
  return broken || error.detail || error.message;
}

function refuse(wrong, text) {
  fill(wrong, text);
  wrong.hidden = false;
  return null;
}

/** Shows the secret of a webhook that was made just now, or got another one. */
export function showSecret(hook, { signal }) {
  const secret = h('code', { class: 'secret' }, hook.secret);
  const copy = h('button', { class: 'btn main push', type: 'button', autofocus: true }, icon('copy'), h('span', null, t('webhooks.copySecret')));
  const done = h('button', { class: 'btn', type: 'button', on: { click: () => box.close() } }, t('webhooks.done'));
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(hook.secret);
      say(copy.lastChild, t('words.copied'));
      toast(t('words.copied'), '', { tone: 'free' });
    } catch {
      // The clipboard is for secure contexts: what is selected can be copied by hand.
      getSelection().selectAllChildren(secret);
      toast(t('webhooks.copyByHand'), '', { tone: 'doubt' });
    }
  });
  const facts = h('dl', { class: 'kv' }, h('dt', null, t('webhooks.url')), h('dd', null, h('code', null, hook.url)), h('dt', null, t('webhooks.secret')), h('dd', null, secret));
  const body = h('div', { class: 'dlg-body' },
    h('div', { class: 'box' }, facts),
    h('p', null, t('webhooks.secretOnce')),
    hook.oldSecretUntil ? h('p', null, t('webhooks.secretOld', { at: when(hook.oldSecretUntil) })) : null);
  const box = dialog({ head: t(hook.oldSecretUntil ? 'webhooks.rotatedHead' : 'webhooks.addedHead'), body, foot: h('div', { class: 'dlg-foot' }, copy, done) });
  return openDialog(box, { signal });
}
