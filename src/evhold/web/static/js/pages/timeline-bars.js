// The bars of a row: where they lie, how they look, what they say.
import { fill, h, keyed } from '../dom.js';
import { time, when } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';

const BEHIND = new Set(['offline', 'unavailable']);
const LIVE = new Set(['Pending', 'Unconfirmed', 'Active']);
const ENDS = { Used: 'held', Expired: 'expired', Canceled: 'canceled', Removed: 'removed', Refused: 'refused', Failed: 'failed' };
const ROW_PX = 28, EDGE_PX = 5, CHAR_PX = 6.6, ICON_PX = 28, MIN_PX = 4, TARGET_PX = 24;
const SLACK_MS = 2000;

// A name that stays the same while the bar goes on.
const barKey = (bar) => [bar.kind, bar.reservationId, bar.transactionId, bar.from].join(' ');

// The end of a bar as it is drawn: an open hold reaches to its expiry, all else that goes on to now.
function endOf(bar, now) {
  if (bar.to) return Date.parse(bar.to);
  return bar.kind === 'held' && bar.until ? Math.max(now, Date.parse(bar.until)) : now;
}

/**
 * Where all is: `{many, plain, groups}` for `view` {from, to, now, px}. Offline and unavailable lie plainly behind all else. The
 * others are links: the bars of one reservation that touch are one link; those too small to be pressed one by one are one button.
 */
export function layout(bars, view) {
  const { lanes, many } = stack(bars, view.now);
  const placed = bars.map((bar) => boxOf(bar, view, lanes.get(bar) ?? null)).filter((one) => one.w > 0 || one.bar.reservationId);
  const plain = placed.filter(({ bar }) => BEHIND.has(bar.kind)).map((one) => ({ ...one, key: barKey(one.bar), covered: isCovered(one.bar, bars, view.now) }));
  return { many, plain, groups: grouped(placed.filter(({ bar }) => !BEHIND.has(bar.kind))) };
}

function boxOf(bar, view, lane) {
  const scale = view.px / (view.to - view.from);
  const begin = Math.max(Date.parse(bar.from), view.from);
  const end = Math.max(begin, Math.min(endOf(bar, view.now), view.to));
  return { bar, lane, x: (begin - view.from) * scale, w: (end - begin) * scale, part: Math.min(1, Math.max(0, (view.now - begin) / Math.max(1, end - begin))) };
}

// In the first lane where it is free; offline and unavailable lie behind all lanes.
function stack(bars, now) {
  const ends = [];
  const lanes = new Map();
  for (const bar of [...bars].sort((a, b) => Date.parse(a.from) - Date.parse(b.from))) {
    if (BEHIND.has(bar.kind)) continue;
    // What follows upon another may overlap it by a second: clocks differ.
    let lane = ends.findIndex((end) => end <= Date.parse(bar.from) + SLACK_MS);
    if (lane < 0) lane = ends.length;
    ends[lane] = endOf(bar, now);
    lanes.set(bar, lane);
  }
  return { lanes, many: Math.max(1, ends.length) };
}

const targetOf = (bar) => bar.reservationId ?? 'station';

/** Where a bar leads: to its reservation, or to its station. */
export const hrefOf = (bar, stationId) => (bar.reservationId ? `/reservations/${bar.reservationId}` : `/stations/${encodeURIComponent(stationId)}`);

function grouped(placed) {
  const groups = [];
  for (const one of [...placed].sort((a, b) => a.lane - b.lane || a.x - b.x)) {
    const last = groups.at(-1);
    const fresh = { lane: one.lane, x: one.x, end: one.x + one.w, ids: new Set([targetOf(one.bar)]), bars: [one] };
    if (!last || last.lane !== one.lane || !joins(last, fresh)) groups.push(fresh);
    else Object.assign(last, { end: Math.max(last.end, fresh.end), ids: last.ids.add(targetOf(one.bar)), bars: [...last.bars, one] });
  }
  for (const group of groups) {
    // Two of the same targets, side by side or not, differ by where they begin.
    group.key = `group ${group.lane} ${[...group.ids].join()} ${group.bars[0].bar.from}`;
    if (group.ids.size > 1 && group.end - group.x < TARGET_PX) group.x = Math.max(0, group.end - TARGET_PX);
  }
  return groups;
}

function joins(last, next) {
  const gap = next.x - last.end;
  if (last.ids.size === 1 && last.ids.has(targetOf(next.bars[0].bar)) && gap < 2) return true;
  return gap < TARGET_PX && Math.min(last.end - last.x, next.end - next.x) < TARGET_PX;
}

const groupOf = new WeakMap();

/** A link to where all of the group leads, or a button that lists its bars; still empty. */
export function makeGroup(group, stationId, list) {
  if (group.ids.size === 1) return h('a', { class: 'tl-link', href: hrefOf(group.bars[0].bar, stationId) });
  const el = h('button', { class: 'tl-link', type: 'button', on: { click: () => list(groupOf.get(el).bars.map(({ bar }) => bar)) } });
  return el;
}

/** Draws a group and its bars. */
export function drawGroup(el, group, many) {
  groupOf.set(el, group);
  place(el, group, many);
  el.style.width = `${Math.max(MIN_PX, group.end - group.x)}px`;
  const names = group.bars.map(({ bar }) => nameOf(bar));
  const name = group.ids.size === 1 ? names.join('; ') : t('timeline.several', { n: group.bars.length, from: when(group.bars[0].bar.from), to: when(group.bars.at(-1).bar.to ?? group.bars.at(-1).bar.until) });
  if (el.getAttribute('aria-label') !== name) {
    el.setAttribute('aria-label', name);
    el.title = names.join('\n');
  }
  keyed(el, group.bars, ({ bar }) => barKey(bar), () => h('span', { class: 'barx' }), (bar, one) => {
    bar.style.left = `${one.x - group.x}px`;
    drawBar(bar, one);
  });
}

/** A bar that leads nowhere: an image with a name. */
export const makePlain = () => h('span', { class: 'barx', role: 'img' });

/** Draws it. */
export function drawPlain(el, one) {
  place(el, one, 1);
  const name = nameOf(one.bar);
  if (el.getAttribute('aria-label') !== name) {
    el.setAttribute('aria-label', name);
    el.title = name;
  }
  drawBar(el, one);
}

function place(el, { x, lane }, many) {
  const own = many > 1 && lane !== null;
  el.style.left = `${x}px`;
  el.style.top = own ? `${EDGE_PX + lane * ROW_PX}px` : '';
  el.style.bottom = own ? `${EDGE_PX + (many - 1 - lane) * ROW_PX}px` : '';
}

function drawBar(el, { bar, w, part, covered }) {
  const look = lookOf(bar);
  el.style.width = `${Math.max(MIN_PX, w)}px`;
  if (look.split) return drawSplit(el, look, w, part);
  const text = covered ? '' : fitting(look.texts, w);
  redraw(el, `barx ${look.class}${w > 22 ? '' : ' thin'}`, `${look.icon} ${text} ${w > 14 && !covered}`, () => [w > 14 && !covered && icon(look.icon), text && h('span', null, text)]);
}

function drawSplit(el, look, w, part) {
  const [past, ahead] = [w * part, w * (1 - part)];
  const first = past >= 22;
  const [text, later] = [fitting(look.texts, past), fitting(look.ahead, first ? ahead + 12 : ahead)];
  redraw(el, `barx split ${look.class}`, `${look.icon} ${first} ${ahead >= 22} ${text} ${later}`, () => [
    h('span', { class: 'past' }, first && icon(look.icon), text),
    h('span', { class: 'ahead' }, !first && ahead >= 22 && icon(look.icon), later),
  ]);
  el.firstElementChild.style.width = `${part * 100}%`;
}

// Drawn anew only when it looks otherwise, so that what a reader points at stays.
function redraw(el, classes, sign, make) {
  if (el.className !== classes) el.className = classes;
  if (el.dataset.sign === sign) return;
  el.dataset.sign = sign;
  fill(el, make());
}

const fitting = (texts, px) => texts.find((text) => text.length * CHAR_PX + ICON_PX <= px) ?? '';

function lookOf(bar) {
  if (bar.kind === 'held') return heldLook(bar);
  const from = time(bar.from);
  const range = bar.to ? `${from}–${time(bar.to)}` : t('timeline.shortSince', { from });
  if (bar.kind === 'use') return { class: 'used', icon: 'bolt', texts: [range] };
  if (bar.kind === 'fault') return { class: 'fault', icon: 'faulted', texts: [t('timeline.shortFault', { from }), t('words.Faulted')] };
  const word = t(bar.kind === 'offline' ? 'timeline.shortOffline' : 'timeline.shortUnavailable');
  return { class: 'off', icon: bar.kind === 'offline' ? 'offline' : 'unavailable', texts: [word] };
}

function heldLook(bar) {
  const id = String(bar.reservationId);
  const live = !bar.to && LIVE.has(bar.status);
  const shape = bar.doubt ? (bar.status === 'Active' ? 'wish' : bar.status === 'Pending' ? 'pending' : 'unconfirmed') : 'held';
  if (live) {
    const to = when(bar.until);
    const more = bar.doubt && bar.status !== 'Pending' ? [`${id} ${t(bar.status === 'Active' ? 'timeline.shortWish' : 'timeline.shortDoubt')}`] : [];
    return { class: bar.doubt ? 'doubt' : 'hold2', split: true, icon: shape, texts: [...more, id], ahead: [t('timeline.shortUntil', { to }), to] };
  }
  if (bar.doubt) return { class: 'doubt', icon: 'unconfirmed', texts: [id] };
  if (bar.status === 'Expired') return { class: 'lapsed', icon: 'expired', texts: [t('timeline.shortUnused', { id }), id] };
  return { class: 'came', icon: ENDS[bar.status] ?? 'held', texts: [id] };
}

/** The bar in words. */
export function nameOf(bar) {
  const values = { id: bar.reservationId, from: when(bar.from), to: when(bar.to ?? bar.until), state: bar.status ? t(bar.doubt && bar.status === 'Active' && !bar.to ? 'words.Wish' : `words.${bar.status}`) : '' };
  if (bar.kind === 'held') return t('timeline.bars.held', values);
  const text = t(`timeline.bars.${bar.kind}${bar.to ? '' : 'Open'}`, values);
  return bar.reservationId ? t('timeline.bars.of', { id: bar.reservationId, text }) : text;
}

// Whether a bar of another kind lies over this one.
function isCovered(bar, bars, now) {
  if (!BEHIND.has(bar.kind)) return false;
  return bars.some((one) => one !== bar && one.kind !== 'offline' && (one.kind !== bar.kind) && Date.parse(one.from) < endOf(bar, now) && endOf(one, now) > Date.parse(bar.from));
}
