// The strip of figures above the board: today, with the six days before as bars.
import { ApiError, get, query } from '../api.js';
import { fill, h, say, svg } from '../dom.js';
import { number } from '../format.js';
import * as store from '../store.js';
import { t } from '../text.js';

const REREAD_MS = 60_000;
const SETTLE_MS = 4000;

/** The strip; it reads itself anew each minute, and soon after a reservation changed. */
export function figuresStrip({ signal }) {
  const cells = {};
  const el = h('dl', { class: 'panel kpis', tabindex: '0', aria: { label: t('board.figuresToday') } });
  for (const name of ['active', 'accepted', 'used', 'expired', 'answer', 'unused']) {
    const one = { value: h('dd', null, '–'), bars: h('dd'), more: h('dd', { class: 'more' }, ' ') };
    cells[name] = one;
    el.append(h('div', { class: 'kpi' }, h('dt', null, t(`board.kpi_${name}`)), one.value, one.bars, one.more));
  }
  drawActive(cells.active);
  let timer;
  const read = async () => {
    clearTimeout(timer);
    try {
      const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      if (!document.hidden) draw(cells, await get(`/figures${query({ timeZone })}`, { signal }));
    } catch (error) {
      if (error.name === 'AbortError' || !(error instanceof ApiError)) return;
      el.classList.toggle('stale', true);
    }
    if (!signal.aborted) timer = setTimeout(read, REREAD_MS);
  };
  read();
  let soon;
  store.on('reservations', () => {
    drawActive(cells.active);
    soon ??= setTimeout(() => {
      soon = undefined;
      if (!signal.aborted) read();
    }, SETTLE_MS);
  }, { signal });
  signal.addEventListener('abort', () => (clearTimeout(timer), clearTimeout(soon)), { once: true });
  return el;
}

function drawActive({ value, more }) {
  let active = 0;
  let attention = 0;
  for (const one of store.reservations.values()) {
    if (one.status === 'Active') active += 1;
    if (store.needsAttention(one)) attention += 1;
  }
  say(value, number(active));
  say(more, attention ? t('board.needAttention', { n: attention }) : t('board.noAttention'));
}

function draw(cells, figures) {
  const days = figures.days.slice(-7);
  const today = days.at(-1);
  if (!today) return;
  put(cells.active, null, days.map((one) => one.made));
  put(cells.accepted, [number(today.acceptedPercent), '%', today.acceptedPercent], days.map((one) => one.acceptedPercent), t('board.ofAsked', { n: today.accepted, of: today.accepted + today.refused }));
  put(cells.used, [number(today.usedPercent), '%', today.usedPercent], days.map((one) => one.usedPercent), t('board.ofAccepted', { n: today.used, of: today.accepted }));
  put(cells.expired, [number(today.expiredUnusedPercent), '%', today.expiredUnusedPercent], days.map((one) => one.expiredUnusedPercent), t('board.holds', { n: today.expiredUnused }));
  put(cells.answer, [number(today.medianAnswerSeconds, today.medianAnswerSeconds < 10 ? 2 : 0), 's', today.medianAnswerSeconds], days.map((one) => one.medianAnswerSeconds), t('board.stationsAnswer'));
  const share = today.evseMinutesHeld ? (100 * today.evseMinutesUnused) / today.evseMinutesHeld : null;
  put(cells.unused, [number(today.evseMinutesUnused, 0), 'min', share], days.map((one) => one.evseMinutesUnused), t('board.ofHeld', { n: number(share, 0), of: number(today.evseMinutesHeld, 0) }));
}

function put({ value, bars, more }, told, week, text) {
  if (told) {
    const [figure, unit, known] = told;
    if (known == null) fill(value, '–');
    else fill(value, figure, h('small', null, unit));
    say(more, known == null ? t('board.noneToday') : text);
  }
  fill(bars, sparkOf(week));
}

function sparkOf(week) {
  const most = Math.max(...week.map((one) => one ?? 0), 0) || 1;
  const from = 7 - week.length;
  const bars = week.map((one, i) => {
    const height = one ? Math.max(2, (24 * one) / most) : 1;
    return svg('rect', { class: i === week.length - 1 ? 'last' : null, x: (from + i) * 10.5, y: 26 - height, width: 7.5, height, rx: 1, fill: 'currentColor' });
  });
  return svg('svg', { class: 'spark', viewBox: '0 0 72 26', 'aria-hidden': 'true' }, bars);
}
