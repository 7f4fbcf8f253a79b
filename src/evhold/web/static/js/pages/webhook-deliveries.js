// What one webhook was sent, or will be: dead letters are sent again from here.
import { nextOf, post, query, request } from '../api.js';
import { everySecond } from '../clock.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h, keyed } from '../dom.js';
import { when } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { jsonView } from './json.js';

const STATES = ['all', 'pending', 'delivered', 'dead'];
const LOOKS = { pending: ['pending', 't-held'], delivered: ['used', 't-free'], dead: ['refused', 't-fault'] };
const STEP = 50;
const MOST = 500;
const EVERY_S = 3;

/** Shows the deliveries of a webhook, the dead ones first in view when there are any; resolves when it is closed. */
export async function showDeliveries(hook, { signal }) {
  const ended = new AbortController();
  signal.addEventListener('abort', () => ended.abort(), { once: true, signal: ended.signal });
  const view = { hook, state: hook.dead ? 'dead' : 'all', limit: STEP, asked: 0, rows: h('tbody'), body: h('div'), kind: '', signal: ended.signal };
  const again = h('button', { class: 'btn', type: 'button', on: { click: () => load(view) } }, icon('refresh'), t('webhooks.refresh'));
  const body = h('div', { class: 'dlg-body' }, h('div', { class: 'filters' }, filter(view), again), view.body);
  const box = dialog({ head: t('webhooks.deliveriesOf', { url: hook.url }), body, class: 'dlg-wide' });
  let left = EVERY_S;
  everySecond(() => {
    left -= 1;
    if (left > 0) return;
    left = EVERY_S;
    if (view.kind !== 'failed') load(view, { quiet: true });
  }, { signal: ended.signal });
  load(view);
  await openDialog(box, { signal: ended.signal });
  ended.abort();
}

function filter(view) {
  const pick = (state) => () => {
    Object.assign(view, { state, limit: STEP });
    load(view);
  };
  const one = (state) => h('label', null, h('input', { type: 'radio', name: 'letter-state', value: state, checked: state === view.state, on: { change: pick(state) } }), t(`webhooks.letter.states.${state}`));
  return h('div', { class: 'seg', role: 'radiogroup', aria: { label: t('webhooks.letter.status') } }, STATES.map(one));
}

async function load(view, { quiet = false } = {}) {
  view.asked += 1;
  const { asked, state } = view;
  try {
    const status = state === 'all' ? null : state;
    const answer = await request('GET', `/webhooks/${view.hook.id}/deliveries${query({ status, limit: view.limit })}`, { signal: view.signal });
    if (asked === view.asked) draw(view, answer.body, nextOf(answer.headers) !== null);
  } catch (error) {
    if (view.signal.aborted || quiet || asked !== view.asked) return;
    view.kind = 'failed';
    fill(view.body, h('section', { class: 'empty' }, h('h3', null, t('webhooks.letter.notLoaded')), h('p', null, error.detail || error.message)));
  }
}

function draw(view, found, older) {
  const kind = found.length ? `table ${older && view.limit < MOST}` : `none ${view.state}`;
  if (view.kind !== kind) fill(view.body, found.length ? [table(view), older && view.limit < MOST ? more(view) : null] : none(view));
  view.kind = kind;
  keyed(view.rows, found, (one) => one.number, (one) => line(view, one), update);
}

function none(view) {
  const [head, text] = { all: ['empty', 'emptyMore'], dead: ['noDead', 'noDeadMore'] }[view.state] ?? ['noneSuch', null];
  return h('section', { class: 'empty' }, h('h3', null, t(`webhooks.letter.${head}`)), text ? h('p', null, t(`webhooks.letter.${text}`)) : null);
}

function more(view) {
  const next = () => {
    view.limit = Math.min(MOST, view.limit + STEP);
    load(view);
  };
  return h('p', { class: 'pad' }, h('button', { class: 'btn', type: 'button', on: { click: next } }, t('webhooks.letter.older')));
}

function table(view) {
  const columns = ['event', 'state', 'made', 'answer'].map((key) => h('th', { scope: 'col' }, t(`webhooks.letter.column.${key}`)));
  const head = h('thead', null, h('tr', null, columns, h('th', { scope: 'col' }, h('span', { class: 'sr' }, t('webhooks.letter.column.acts')))));
  return h('table', { class: 'list fold letters' }, head, view.rows);
}

function line(view, letter) {
  const words = { event: letter.event, subject: letter.subject };
  const send = h('button', { class: 'btn slim', type: 'button', aria: { label: t('webhooks.letter.againOf', words) }, on: { click: () => sendAgain(view, letter, send) } }, icon('refresh'), t('webhooks.letter.again'));
  const message = h('details', { class: 'small' }, h('summary', null, t('webhooks.letter.message')), jsonView(letter.message, t('webhooks.letter.messageOf', letter)));
  return h('tr', { class: 'row' },
    h('td', { class: 'c-event' }, h('code', null, letter.event), ' ', h('span', { class: 'soft small' }, letter.subject), message),
    h('td', { class: 'c-state' }),
    h('td', { class: 'c-made' }, h('time', { datetime: letter.createdAt }, when(letter.createdAt))),
    h('td', { class: 'c-answer' }),
    h('td', { class: 'c-act' }, h('div', { class: 'acts' }, send)));
}

// The message and the button stay, with the focus that they may have.
function update(row, letter) {
  const seen = JSON.stringify([letter.state, letter.attempts, letter.nextAt, letter.lastStatus, letter.lastError]);
  if (row.dataset.seen === seen) return;
  row.dataset.seen = seen;
  const [shape, tone] = LOOKS[letter.state];
  const waits = letter.nextAt ? t('webhooks.letter.next', { at: when(letter.nextAt) }) : t('webhooks.letter.behind');
  fill(row.querySelector('.c-state'),
    h('span', { class: `s ${tone}` }, icon(shape), t(`webhooks.letter.states.${letter.state}`)),
    h('p', { class: 'soft small' }, t('webhooks.letter.attempts', { n: letter.attempts }), letter.state === 'pending' ? `, ${waits}` : ''));
  const status = letter.lastStatus && !letter.lastError?.includes(letter.lastStatus) ? String(letter.lastStatus) : null;
  fill(row.querySelector('.c-answer'), h('span', { class: 'soft' }, [status, letter.lastError].filter(Boolean).join(' ') || t('webhooks.letter.none')));
  row.querySelector('.acts').hidden = letter.state !== 'dead';
}

async function sendAgain(view, letter, button) {
  button.disabled = true;
  const { event, subject } = letter;
  try {
    const revived = await post(`/webhooks/${view.hook.id}/deliveries/${letter.number}/redeliver`);
    const row = button.closest('tr');
    if (row) update(row, revived);
    toast(t('webhooks.letter.sent'), `${event} ${subject}`, { tone: 'held', shape: 'pending' });
  } catch (error) {
    toast(t('webhooks.failed'), error.type === 'delivery-unknown' ? t('webhooks.letter.gone') : error.detail || error.message, { tone: 'fault' });
  }
  button.disabled = false;
  await load(view);
  onward(view, button);
}

// The button is gone with its dead letter: the next one takes the focus, or the filter.
function onward(view, button) {
  if (view.signal.aborted || (document.activeElement !== document.body && document.activeElement !== button && document.activeElement?.tagName !== 'DIALOG')) return;
  const next = [...view.rows.querySelectorAll('.acts:not([hidden]) button')][0] ?? view.body.closest('dialog')?.querySelector('.seg input:checked');
  next?.focus();
}
