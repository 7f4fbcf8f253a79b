// One reservation: what it is now, what was said, its terms, its use, its history.
import { ApiError, get, query } from '../api.js';
import { everySecond, now } from '../clock.js';
import { fill, h, keyed, say } from '../dom.js';
import { countdown, duration, time, when } from '../format.js';
import { icon } from '../icons.js';
import { hasWish, isLive, on, put, reservations, session, stations } from '../store.js';
import { t } from '../text.js';
import { orderButtons, ordersOf } from './orders.js';
import { historyRow, linkBox, termsOf, useOf } from './reservation-facts.js';
import { drain, meter } from './reservation-row.js';
import { lookOf, reasonOf } from './reason.js';
import { sequence } from './sequence.js';
import { aheadOf, storyOf } from './story.js';

const LOOK_AGAIN_S = 5;
const DAY_MS = 864e5;
const AFTERWARDS_MS = 2e3, AHEAD_MS = 60e3;

/** The page's name. */
export const title = ({ id }) => t('reservation.title', { id });

/** Shows the reservation until `signal` ends. */
export async function show(root, { id }, { signal }) {
  const view = { id: Number(id), history: [], more: { frames: [], outages: [] }, reading: null, again: false };
  root.append(bones());
  try {
    put('reservation', await get(`/reservations/${id}`, { signal }));
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return void fill(root, missing(id));
    throw error;
  }
  const parts = build(view, signal);
  fill(root, parts.crumb, parts.hero, h('div', { class: 'two' }, parts.seq.el, parts.side));
  const draw = () => render(parts, view);
  on(`reservation:${id}`, () => { draw(); read(); }, { signal });
  on('stations', (ids) => (ids === null || ids.has(current(view).stationId)) && draw(), { signal });
  on('session', draw, { signal });
  everySecond((at) => {
    tick(parts, view);
    // A wish, a change of terms and an answer in between come in no event.
    if (isLive(current(view)) && Math.floor(at / 1000) % LOOK_AGAIN_S === 0) look();
  }, { signal });
  draw();
  await read();

  function look() {
    get(`/reservations/${id}`, { signal }).then((known) => known.version !== current(view).version && put('reservation', known), () => {});
  }

  // One reading at a time; what changed meanwhile is read once more.
  async function read() {
    if (view.reading) return void (view.again = true);
    do {
      view.again = false;
      view.reading = readAll(view, signal, draw);
      await view.reading.catch((error) => signal.aborted || reportError(error));
      view.reading = null;
    } while (view.again && !signal.aborted);
  }
}

const current = (view) => reservations.get(view.id);

async function readAll(view, signal, draw) {
  view.history = await get(`/reservations/${view.id}/history`, { signal });
  draw();
  const r = current(view);
  if (session?.role === 'driver') return;
  const from = r.createdAt;
  const to = new Date(Math.min(isLive(r) ? now() + AHEAD_MS : Date.parse(r.updatedAt) + AFTERWARDS_MS, Date.parse(from) + 2 * DAY_MS)).toISOString();
  const [frames, outages] = await Promise.all([framesOf(r, from, to, signal), outagesOf(r, from, to, signal)]);
  view.more = { frames, outages };
  draw();
}

// What the station said of the EVSE meanwhile: not part of the history, and only there while it is recent.
async function framesOf(r, from, to, signal) {
  const evse = r.usedEvseId ?? r.evseId;
  if (!evse) return [];
  const messages = await get(`/stations/${encodeURIComponent(r.stationId)}/messages${query({ limit: 500 })}`, { signal }).catch(() => []);
  return messages.filter(({ at, direction, frame }) => direction === 'in' && at >= from && at <= to && frame[2] === 'StatusNotification' && frame[3]?.evseId === evse).reverse();
}

async function outagesOf(r, from, to, signal) {
  if (Date.parse(to) - Date.parse(from) < 1000) return [];
  const read = await get(`/timeline${query({ from, to, stationId: r.stationId })}`, { signal }).catch(() => null);
  const rows = read?.stations?.flatMap((one) => one.evses) ?? [];
  const bars = rows.find((row) => row.bars.some((bar) => bar.kind === 'offline'))?.bars ?? [];
  return bars.filter((bar) => bar.kind === 'offline' && bar.from > from && bar.from < to);
}

function build(view, signal) {
  const crumb = h('a', { class: 'crumb', href: '/reservations' }, icon('back'), t('reservations.title'));
  const seq = sequence({ signal });
  const side = h('div', { class: 'stack' });
  const parts = { crumb, seq, side, shown: {} };
  parts.mark = h('span', { class: 'mark' });
  parts.word = h('h1');
  parts.sub = h('p', { class: 'small soft' });
  parts.clock = h('div', { class: 'clock' });
  parts.acts = h('div', { class: 'acts' });
  parts.why = h('p', { class: 'hero-why', hidden: true });
  const say = h('div', { class: 'say' }, parts.mark, h('div', null, h('p', { class: 'soft' }, t('reservation.reservation'), ' ', h('b', { class: 'num' }, String(view.id))), parts.word, parts.sub));
  parts.hero = h('section', { class: 'panel hero', aria: { label: t('reservation.state') } }, say, parts.clock, parts.acts, parts.why);
  parts.terms = panel('terms', 'reservation.terms');
  parts.use = panel('use', 'reservation.transaction');
  parts.history = h('ol', { class: 'hist' });
  parts.link = linkBox(() => current(view));
  side.append(parts.terms.el, parts.use.el, h('section', { class: 'panel', aria: { labelledby: 'history-h' } }, h('header', null, h('h2', { id: 'history-h' }, t('reservation.history'))), parts.history));
  return parts;
}

function panel(name, key) {
  const end = h('span', { class: 'end small soft' });
  const body = h('div', { class: 'pad' });
  const el = h('section', { class: 'panel', aria: { labelledby: `${name}-h` } }, h('header', null, h('h2', { id: `${name}-h` }, t(key)), end), body);
  return { el, end, body };
}

function render(parts, view) {
  const r = current(view);
  const look = lookOf(r);
  const changed = (name, sign, draw) => {
    if (parts.shown[name] === sign) return;
    parts.shown[name] = sign;
    draw();
  };
  const online = stations.get(r.stationId)?.online ?? true;
  parts.hero.className = `panel hero t-${look.tone}${isLive(r) ? '' : ' ended'}`;
  changed('look', look.icon, () => { fill(parts.mark, icon(look.icon)); say(parts.word, look.word); });
  changed('clock', `${r.version} ${isLive(r)}`, () => fill(parts.clock, clockOf(r)));
  changed('acts', ordersOf(r).join(), () => fill(parts.acts, orderButtons(ordersOf(r), () => current(view))));
  changed('terms', `${r.version} ${stations.has(r.stationId)}`, () => { fill(parts.terms.body, termsOf(r, view.history), parts.link.el); say(parts.terms.end, t('reservation.version', { n: r.version })); fill(parts.use.body, useOf(r)); });
  changed('maker', String(view.history.length), () => fill(parts.terms.body, termsOf(r, view.history), parts.link.el));
  parts.link.update(r);
  say(parts.sub, subOf(r, view.history));
  keyed(parts.history, view.history.map((row, index) => ({ row, index })).reverse(), ({ index }) => index, ({ row, index }) => historyRow(row, view.history[index - 1]));
  parts.seq.update(r, storyOf(r, view.history, view.more), aheadOf(r, { online }));
  tick(parts, view);
}

function subOf(r, history) {
  if (!isLive(r)) return t('reservation.endedAt', { at: when(r.updatedAt) });
  const accepted = history.filter((row) => row.fact === 'Accepted').at(-1);
  if (accepted && r.status === 'Active' && !hasWish(r)) return t('reservation.confirmedAt', { at: time(accepted.at, { seconds: true }) });
  return t('reservation.madeAt', { at: when(r.createdAt) });
}

function clockOf(r) {
  if (!isLive(r)) return null;
  const of = duration(Date.parse(r.expiryDateTime) - Date.parse(r.createdAt));
  return [h('b', null, h('time', { datetime: r.expiryDateTime, data: { left: '' } }, countdown(0))), meter(), h('span', { class: 'small soft' }, t('reservation.left', { of, at: when(r.expiryDateTime) }))];
}

function tick(parts, view) {
  const r = current(view);
  if (isLive(r)) drain(parts.clock, r);
  const reason = reasonOf(r);
  say(parts.why, reason);
  parts.why.hidden = !reason;
}

function missing(id) {
  return h('section', { class: 'panel empty' }, h('h1', null, t('reservation.gone404', { id })), h('p', null, t('reservation.gone404Text')), h('a', { class: 'btn main', href: '/reservations' }, t('reservation.toList')));
}

function bones() {
  const lines = (...widths) => widths.map((width) => h('span', { class: `bone ${width}` }));
  return h('div', { class: 'stack', aria: { hidden: true } }, h('div', { class: 'panel pad wait' }, lines('c', 'b')), h('div', { class: 'panel pad wait' }, lines('a', 'b', 'c', 'b')));
}
