// One row of the list of reservations: made once, then changed cell by cell, so that focus stays where it is.
import { now } from '../clock.js';
import { fill, h, say, svg } from '../dom.js';
import { countdown, mask, when } from '../format.js';
import { icon } from '../icons.js';
import { isLive, needsAttention } from '../store.js';
import { t } from '../text.js';
import { orderButtons, ordersOf } from './orders.js';
import { lookOf, reasonOf, scopeOf } from './reason.js';

const CELLS = ['no', 'state', 'place', 'tok', 'exp', 'why', 'act'];
const kept = new WeakMap();

/** The row of this reservation, still empty. */
export function makeRow(r) {
  const cells = Object.fromEntries(CELLS.map((name) => [name, h('td', { class: name === 'state' ? 'state' : `c-${name}` })]));
  const row = h('tr', { class: 'row', data: { id: r.id } }, Object.values(cells));
  kept.set(row, { cells, shown: {}, r: null });
  return row;
}

/** Makes the row tell this reservation as it is; a change that others made is marked for a moment. */
export function updateRow(row, r) {
  const known = kept.get(row);
  const before = known.r;
  known.r = r;
  const look = lookOf(r);
  row.className = `row${needsAttention(r) ? ' t-doubt' : ''}${isLive(r) ? '' : ' rdone'}${before && before.version !== r.version ? ' flash' : ''}`;
  const put = (name, sign, make) => {
    if (known.shown[name] === sign) return;
    known.shown[name] = sign;
    fill(known.cells[name], make());
  };
  put('no', 'once', () => h('a', { class: 'idno', href: `/reservations/${r.id}` }, String(r.id)));
  put('state', `${look.icon} ${look.tone}`, () => h('span', { class: `s t-${look.tone}` }, icon(look.icon), look.word));
  put('place', `${r.stationId} ${scopeOf(r)}`, () => [h('b', null, r.stationId), ' ', h('span', { class: 'soft nowrap' }, scopeOf(r))]);
  put('tok', `${mask(r.idToken)} ${mask(r.groupIdToken)}`, () => tokens(r));
  put('exp', `${look.tone} ${r.status} ${r.expiryDateTime} ${isLive(r) ? '' : when(r.updatedAt)}`, () => timeCell(r, look));
  put('why', reasonOf(r), () => reasonOf(r) && h('span', { class: 'small soft' }, reasonOf(r)));
  const names = ordersOf(r);
  put('act', names.join(), () => h('div', { class: 'acts' }, orderButtons(names, () => kept.get(row).r, { slim: true })));
  tickRow(row);
}

function tokens(r) {
  const group = r.groupIdToken && h('span', { class: 'soft small' }, ' ', t('reservations.groupShort', { token: mask(r.groupIdToken) }));
  return [h('span', { class: 'code nowrap' }, mask(r.idToken)), group];
}

function timeCell(r, look) {
  if (!isLive(r)) return h('span', { class: 'small' }, t('reservations.ended'), ' ', h('time', { datetime: r.updatedAt }, when(r.updatedAt)));
  if (r.status === 'Pending') return h('span', { class: 'small nowrap' }, t('reservations.untilIfAccepted', { at: when(r.expiryDateTime) }));
  const left = h('time', { datetime: r.expiryDateTime, data: { left: '' } });
  return h('div', { class: `cd t-${look.tone}` }, h('span', { class: 'line' }, h('b', null, left), h('span', null, t('reservations.until', { at: when(r.expiryDateTime) }))), meter());
}

/** The line of what remains; `drain` sets it. */
export function meter() {
  return svg('svg', { class: 'meter', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'rail', width: 100, height: 4 }), svg('rect', { class: 'fill', width: 0, height: 4 }));
}

/** Shows what is left of the reservation in `root`: the countdown and the line, by the server's clock. */
export function drain(root, r) {
  const left = root.querySelector('[data-left]');
  if (!left) return;
  const rest = Date.parse(r.expiryDateTime) - now();
  say(left, countdown(rest));
  const part = Math.min(100, Math.max(0, (100 * rest) / Math.max(1, Date.parse(r.expiryDateTime) - Date.parse(r.createdAt))));
  root.querySelector('.meter .fill')?.setAttribute('width', part.toFixed(2));
}

/** What changes by the clock alone: the time left, and a reason that speaks of it. */
export function tickRow(row) {
  const { cells, r, shown } = kept.get(row);
  if (!r || !isLive(r)) return;
  drain(cells.exp, r);
  const reason = reasonOf(r);
  if (shown.why === reason) return;
  shown.why = reason;
  fill(cells.why, reason && h('span', { class: 'small soft' }, reason));
}
