// The list: what needs eyes, what is held, what has ended. Filters live in the address, so that a view can be shared.
import { nextOf, query, request } from '../api.js';
import { everySecond } from '../clock.js';
import { clear, fill, h, keyed, say } from '../dom.js';
import { icon } from '../icons.js';
import { canOrder, isLive, loaded, needsAttention, on, put, reservations, session } from '../store.js';
import { t } from '../text.js';
import { addressOf, boundsOf, filterBar, filterOf, fits, isDefault } from './reservation-filter.js';
import { makeRow, tickRow, updateRow } from './reservation-row.js';

const PAGE = 50;
const LOOK_AGAIN_MS = 10_000;
const LIVE = 'Pending,Unconfirmed,Active';
const ENDED = 'Used,Expired,Canceled,Removed,Refused,Failed';

/** The page's name. */
export const title = () => t('reservations.title');

/** Shows the list until `signal` ends. */
export async function show(root, params, { signal }) {
  const view = { filter: filterOf(params.query), found: new Set(), edge: null, next: null, state: 'loading', turn: 0 };
  const parts = build(view, changed);
  fill(root, parts.head, parts.bar.el, parts.list);
  on('reservations', draw, { signal });
  on('stations', () => { parts.bar.stations(); draw(); }, { signal });
  on('session', draw, { signal });
  everySecond((at) => {
    for (const row of parts.list.querySelectorAll('tr.row')) tickRow(row);
    if (Math.floor(at / 1000) % (LOOK_AGAIN_MS / 1000) === 0) lookAgain();
  }, { signal });
  parts.older.addEventListener('click', () => read({ more: true }));
  draw();
  await read();

  function changed(filter) {
    view.filter = filter;
    history.replaceState(null, '', addressOf(filter));
    read();
  }

  // What is live is in the store already; what has ended comes page by page.
  async function read({ more = false } = {}) {
    const turn = more ? view.turn : (view.turn += 1);
    if (!more) Object.assign(view, { found: new Set(), edge: null, next: null, state: 'loading' });
    parts.older.disabled = true;
    draw();
    try {
      const address = more ? view.next : firstAddress(view.filter);
      const exact = more ? [] : await numbered(view.filter);
      const answer = address ? await request('GET', address, { signal }) : { body: [], headers: new Headers() };
      if (turn !== view.turn) return;
      take(view, [...exact, ...answer.body]);
      view.next = nextOf(answer.headers);
      view.edge = view.next ? answer.body.at(-1)?.createdAt ?? null : null;
      view.state = 'ready';
    } catch (error) {
      if (signal.aborted || turn !== view.turn) return;
      view.state = 'failed';
    }
    parts.older.disabled = false;
    draw();
  }

  // A wish and a change of terms come in no event: another window may have ordered them.
  function lookAgain() {
    if (view.state !== 'ready' || view.filter.state === 'ended') return;
    request('GET', `/reservations${query({ status: LIVE, limit: 500 })}`, { signal }).then(({ body }) => body.forEach((one) => put('reservation', one)), () => {});
  }

  function draw() {
    render(parts, view);
  }
}

function take(view, list) {
  for (const one of list) view.found.add(put('reservation', one).id);
}

function firstAddress(filter) {
  if (filter.state === 'live' || filter.state === 'attention') return null;
  return `/reservations${query({ ...asked(filter), status: filter.state && filter.state !== 'ended' ? filter.state : ENDED, limit: PAGE })}`;
}

/** The filter as the API takes it. */
function asked(filter) {
  return { stationId: filter.station, idToken: filter.token, ...boundsOf(filter) };
}

const STATUS = { live: LIVE, attention: LIVE, ended: ENDED };

function csvAddress(filter) {
  return `/api/v1/reservations.csv${query({ ...asked(filter), status: STATUS[filter.state] ?? filter.state })}`;
}

// A number may be that of a reservation, or a token's text: both are looked for.
async function numbered({ token }) {
  if (!/^[1-9]\d{0,9}$/.test(token ?? '')) return [];
  return request('GET', `/reservations/${token}`).then(({ body }) => [body], () => []);
}

function build(view, changed) {
  const counts = h('span', { class: 'soft' });
  const csv = h('a', { class: 'btn', download: 'reservations.csv', title: t('reservations.csvHint') }, icon('download'), t('reservations.csv'));
  const reserve = h('button', { class: 'btn main', type: 'button', on: { click: async () => (await import('./reserve.js')).openReserve({ stationId: view.filter.station || undefined }) } }, icon('held'), t('reservations.reserve'));
  const head = h('div', { class: 'head' }, h('h1', null, t('reservations.title')), counts, h('div', { class: 'acts' }, csv, reserve));
  const bar = filterBar(view.filter, changed);
  const bodies = Object.fromEntries(['attention', 'live', 'ended'].map((name) => [name, h('tbody')]));
  const columns = ['no', 'state', 'place', 'token', 'left', 'why'].map((name) => h('th', { scope: 'col' }, t(`reservations.columns.${name}`)));
  const table = h('table', { class: 'list fold' }, h('thead', null, h('tr', null, columns, h('th', { scope: 'col' }, h('span', { class: 'sr' }, t('reservations.columns.orders'))))), Object.values(bodies));
  const note = h('div', { class: 'list-note' });
  const older = h('button', { class: 'btn', type: 'button', hidden: true }, t('reservations.older'));
  const list = h('div', { class: 'panel reservations', aria: { busy: true } }, table, note, h('div', { class: 'list-more' }, older));
  return { head, counts, csv, reserve, bar, bodies, table, note, older, list };
}

function render(parts, view) {
  const { filter } = view;
  const chosen = [...reservations.values()].filter((one) => fits(one, filter) && (isLive(one) || needsAttention(one) || inPages(one, view)));
  const groups = { attention: [], live: [], ended: [] };
  for (const one of chosen) groups[needsAttention(one) ? 'attention' : isLive(one) ? 'live' : 'ended'].push(one);
  groups.attention.sort(byExpiry);
  groups.live.sort(byExpiry);
  groups.ended.sort((a, b) => Date.parse(b.updatedAt) - Date.parse(a.updatedAt) || b.id - a.id);
  for (const [name, rows] of Object.entries(groups)) group(parts.bodies[name], name, rows, view);
  counts(parts);
  parts.reserve.hidden = !canOrder();
  parts.csv.href = csvAddress(filter);
  parts.csv.hidden = session?.role === 'driver';
  parts.older.hidden = !view.next;
  parts.table.hidden = !chosen.length;
  parts.list.setAttribute('aria-busy', String(view.state === 'loading'));
  note(parts, view, chosen.length);
}

// Ended ones that are known by chance do not show before their page was read: the list has no holes.
function inPages(one, { edge, found }) {
  return found.has(one.id) || edge === null || one.createdAt >= edge;
}

const byExpiry = (a, b) => Date.parse(a.expiryDateTime) - Date.parse(b.expiryDateTime) || a.id - b.id;

function group(body, name, rows, { filter, next }) {
  body.hidden = !rows.length;
  const head = name === 'ended' && (filter.period ?? 'today') === 'today' ? t('reservations.endedToday') : t(`reservations.groups.${name}`);
  const items = rows.length ? [{ id: 'head', head, count: `${rows.length}${name === 'ended' && next ? '+' : ''}` }, ...rows] : [];
  keyed(body, items, (item) => item.id, (item) => (item.head ? groupRow() : makeRow(item)), (el, item) => (item.head ? sayGroup(el, item) : updateRow(el, item)));
}

function groupRow() {
  return h('tr', { class: 'group' }, h('th', { colspan: 7, scope: 'rowgroup' }, h('span'), ' ', h('span', { class: 'quiet num' })));
}

function sayGroup(row, { head, count }) {
  const [name, number] = row.querySelectorAll('span');
  say(name, head);
  say(number, count);
}

function counts(parts) {
  const live = [...reservations.values()].filter((one) => isLive(one) || needsAttention(one));
  say(parts.counts, t('reservations.counts', { live: live.length, attention: live.filter(needsAttention).length }));
}

function note(parts, view, many) {
  const kind = view.state === 'failed' ? 'failed' : many ? '' : view.state === 'loading' || !loaded ? 'loading' : isDefault(view.filter) ? 'none' : 'noHit';
  if (parts.note.dataset.kind === kind) return;
  parts.note.dataset.kind = kind;
  clear(parts.note);
  if (kind === 'loading') parts.note.append(...Array.from({ length: 4 }, () => h('div', { class: 'wait' }, ['c', 'a', 'b'].map((width) => h('span', { class: `bone ${width}` })))));
  if (kind === 'failed') parts.note.append(h('div', { class: 'empty', role: 'alert' }, h('p', null, t('reservations.failed')), h('button', { class: 'btn', type: 'button', on: { click: () => parts.bar.reset(view.filter) } }, t('shell.again'))));
  if (kind === 'noHit') parts.note.append(h('div', { class: 'empty' }, h('h2', null, t('reservations.noHitHead')), h('p', null, t('reservations.noHitText')), h('button', { class: 'btn', type: 'button', on: { click: () => parts.bar.reset({}) } }, t('reservations.showAll'))));
  if (kind === 'none') parts.note.append(h('div', { class: 'empty' }, icon('held'), h('h2', null, t('reservations.noneHead')), h('p', null, t('reservations.noneText'))));
}
