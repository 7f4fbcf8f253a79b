// One station on the board: its EVSEs, what is held there, and why something is wrong.
import { now } from '../clock.js';
import { fill, h, keyed, say, svg } from '../dom.js';
import { faceOf, faceOfHold, placeOf, takesReservations, typesOf } from '../evse.js';
import { connectorName, countdown, duration, mask, time, when } from '../format.js';
import { icon, OF_CONNECTOR, TONE_OF_CONNECTOR } from '../icons.js';
import * as store from '../store.js';
import { t } from '../text.js';
import { openReserve } from './reserve.js';

/** What is counted down on the board: Map(element -> {at, until, from, fill}). */
export const running = new Map();

/** What the board knows of a station: its rows, with all that filters ask for. */
export function modelOf(station) {
  const holds = store.holdsOf(station.id);
  const loose = holds.filter((one) => placeOf(one) == null || !station.evses.some((evse) => evse.id === placeOf(one)));
  const rows = loose.map((hold) => ({ key: `r${hold.id}`, hold, types: hold.connectorType ? [hold.connectorType] : [], face: { ...faceOfHold(hold), hold, states: station.online ? ['Reserved'] : ['Offline', 'Reserved'] } }));
  for (const evse of station.evses) {
    const hold = holds.find((one) => placeOf(one) === evse.id) ?? null;
    rows.push({ key: `e${evse.id}`, evse, hold, types: typesOf(evse), face: faceOf(station, evse, hold) });
  }
  for (const row of rows) row.text = row.hold ? textOf(row.hold) : '';
  const text = [station.id, station.vendorName, station.model, station.location?.name].filter(Boolean).join(' ').toLowerCase();
  return { station, rows, text, holds };
}

function textOf(hold) {
  return `${hold.id} ${hold.idToken.idToken.slice(-4)}`.toLowerCase();
}

/** An empty card; `drawCard` fills it. */
export function makeCard(model) {
  const { station } = model;
  const el = h('li', { class: 'panel station', data: { id: station.id } });
  const parts = {
    model: h('span', { class: 'model' }),
    link: h('span', { class: 'link' }),
    rows: h('ol'),
    why: h('p', { class: 'why', hidden: true }),
    seen: null,
  };
  const name = h('h3', null, h('a', { href: `/stations/${encodeURIComponent(station.id)}` }, station.id));
  el.append(h('header', null, name, parts.model, parts.link), parts.rows, parts.why);
  el.parts = parts;
  return el;
}

/** Shows the model in its card; `isShown(row)` says which rows pass the filter. */
export function drawCard(el, model, isShown) {
  const { station } = model;
  const { parts } = el;
  say(parts.model, [station.vendorName, station.model].filter(Boolean).join(' '));
  const link = station.online ? 'on' : `off ${station.lastSeen}`;
  if (parts.seen !== link) {
    parts.seen = link;
    fill(parts.link, station.online ? h('span', { class: 'sr' }, t('words.online')) : [icon('offline'), h('span', null, station.lastSeen ? t('board.offlineSince', { time: when(station.lastSeen) }) : t('board.neverSeen'))]);
  }
  keyed(parts.rows, model.rows.filter(isShown), (row) => row.key, () => h('li', { class: 'evse' }), (row, one) => drawRow(row, one, station));
  drawWhy(parts.why, whyOf(model));
}

function drawRow(el, row, station) {
  const { face, hold, evse } = row;
  const signature = JSON.stringify([face.word, face.status, face.since, hold && [hold.id, hold.status, hold.expiryDateTime, hold.version], evse?.connectors, station.online, station.reservations, store.canOrder()]);
  if (el.signature === signature) return;
  const changed = el.signature !== undefined && el.word !== face.word;
  const focused = el.contains(document.activeElement);
  for (const child of el.children) running.delete(child);
  el.signature = signature;
  el.word = face.word;
  el.className = `evse t-${face.tone}${face.word === 'Offline' ? ' off' : ''}`;
  fill(el,
    h('span', { class: 'id' }, h('span', { class: 'sr' }, evse ? 'EVSE ' : t('words.anyEvse')), evse ? String(evse.id) : '∗'),
    h('div', { class: 'what' }, h('span', { class: `s t-${face.tone}` }, icon(face.shape), t(`words.${face.word}`)), consOf(row)),
    endOf(row, station));
  if (hold) el.append(meterOf(el, hold, face.tone));
  if (focused) (el.querySelector('a, button') ?? el.closest('.station').querySelector('a')).focus();
  if (changed) flash(el);
}

function flash(el) {
  el.classList.remove('flash');
  el.addEventListener('animationend', () => el.classList.remove('flash'), { once: true });
  requestAnimationFrame(() => el.classList.add('flash'));
}

function consOf({ evse, hold }) {
  if (!evse) return h('span', { class: 'cons' }, h('b', null, hold.connectorType ? t('board.anyOf', { type: connectorName(hold.connectorType) }) : t('words.anyEvse')));
  if (evse.connectors.length < 2) return h('span', { class: 'cons' }, evse.connectors.map((one) => h('b', null, connectorName(one.type))));
  return h('span', { class: 'cons' }, evse.connectors.map((one) => {
    const tone = TONE_OF_CONNECTOR[one.status] ?? 'over';
    return h('span', { class: `con t-${tone}` }, icon(OF_CONNECTOR[one.status] ?? 'unknown'), h('b', null, connectorName(one.type)), one.status ? t(`words.${one.status}`) : t('words.unknown'));
  }));
}

function endOf({ evse, face, hold }, station) {
  const end = h('div', { class: 'end' });
  if (hold) {
    const left = h('time', { datetime: hold.expiryDateTime }, countdown(Date.parse(hold.expiryDateTime) - now()));
    end.append(
      h('span', { class: 'left' }, h('a', { href: `/reservations/${hold.id}`, title: t('board.until', { time: time(hold.expiryDateTime) }) }, h('span', { class: 'sr' }, t('board.holdLeft', { id: hold.id })), left)),
      h('span', { class: 'sub' }, `${hold.id} · ${mask(hold.idToken)}`));
    end.left = left;
    return end;
  }
  if (!station.online) {
    if (face.status) end.append(h('span', { class: 'sub' }, t('board.was', { status: t(`words.${face.status}`) })));
  } else if (face.status === 'Available') end.append(orderOf(station, evse));
  else if (face.since) end.append(h('span', { class: 'sub' }, t('board.since', { time: when(face.since) })));
  return end;
}

function orderOf(station, evse) {
  if (!takesReservations(station)) return h('span', { class: 'sub' }, t('board.reservationsOff'));
  if (!store.canOrder()) return '';
  const open = () => openReserve({ stationId: station.id, evseId: evse.id });
  return h('button', { class: 'btn hold slim', type: 'button', aria: { label: t('board.reserveAt', { station: station.id, evse: evse.id }) }, on: { click: open } }, t('board.reserve'));
}

function meterOf(row, hold) {
  const bar = svg('rect', { class: 'fill', width: 0, height: 4 });
  const el = svg('svg', { class: 'meter', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, svg('rect', { class: 'rail', width: 100, height: 4 }), bar);
  const one = { left: row.querySelector('.left time'), bar, from: Date.parse(hold.createdAt), until: Date.parse(hold.expiryDateTime) };
  running.set(el, one);
  draw(one, now());
  return el;
}

function draw({ left, bar, from, until }, at) {
  say(left, countdown(until - at));
  bar.setAttribute('width', (100 * Math.min(1, Math.max(0, (until - at) / (until - from)))).toFixed(1));
}

/** Counts down all that is held on the board. */
export function countAll(at) {
  for (const [el, one] of running) {
    if (el.isConnected) draw(one, at);
    else running.delete(el);
  }
}

/** The one reason that matters most: {tone, shape, text, code, more}, or null. */
function whyOf({ station, holds }) {
  if (!station.online) {
    if (!station.lastSeen) return { tone: 'over', shape: 'offline', text: t('board.whyNever') };
    return { tone: 'over', shape: 'offline', since: station.lastSeen, text: t(holds.length ? 'board.whyOfflineHolds' : 'board.whyOffline') };
  }
  if (station.registration !== 'Accepted') return { tone: 'doubt', shape: 'pending', text: t('board.whyRegistration', { registration: station.registration }) };
  if (station.reservations.available === false) return { tone: 'over', shape: 'unavailable', text: t('board.whyNone'), code: 'ReservationCtrlr.Available' };
  if (station.reservations.enabled === false) return { tone: 'doubt', shape: 'unavailable', text: t('board.whyOff'), code: 'ReservationCtrlr.Enabled' };
  const lost = holds.find((one) => one.status === 'Unconfirmed');
  if (lost) return { tone: 'doubt', shape: 'unconfirmed', text: t('board.whyUnconfirmed', { id: lost.id }) };
  return null;
}

function drawWhy(el, why) {
  const signature = JSON.stringify(why);
  if (el.signature === signature) return;
  el.signature = signature;
  el.hidden = !why;
  if (!why) return;
  el.className = `why t-${why.tone}`;
  const ago = why.since ? h('span', { data: { since: why.since } }, lostFor(why.since)) : null;
  fill(el, icon(why.shape), h('span', null, ago, ago ? ' ' : '', why.text, why.code ? [' (', h('code', null, why.code), ` ${t('board.isFalse')})`] : ''));
}

/** How long a station has not been heard, in words. */
export function lostFor(since) {
  return t('board.whyLost', { span: duration(Math.max(60_000, now() - Date.parse(since))) });
}
