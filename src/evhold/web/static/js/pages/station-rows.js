// A station's EVSEs and what is held at them, row by row.
import { now } from '../clock.js';
import { fill, h, keyed, say, svg } from '../dom.js';
import { connectorName, countdown, mask, when } from '../format.js';
import { OF_CONNECTOR, TONE_OF_CONNECTOR, icon } from '../icons.js';
import { canOrder, holdsOf } from '../store.js';
import { t } from '../text.js';
import { lookOf, scopeOf } from './reason.js';

const METER = 100;

/** The dialog in which an EVSE, a type or any is reserved; loaded when it is wanted. */
export const openReserve = async (scope) => (await import('./reserve.js')).openReserve(scope);

/** The rows of a station's EVSEs, each with what it holds. */
export function drawEvses(view, station) {
  const holds = holdsOf(station.id);
  const free = station.evses.filter((one) => station.online && one.connectors.some((at) => at.status === 'Available')).length;
  say(view.free, station.evses.length ? t('station.free', { n: free, all: station.evses.length }) : t('station.noEvses'));
  keyed(
    view.evses,
    station.evses,
    (one) => one.id,
    () => h('li', { class: 'bay-row', on: { animationend: (event) => event.currentTarget.classList.remove('flash') } }),
    (row, evse) => {
      const hold = holds.find((one) => one.evseId === evse.id || one.usedEvseId === evse.id || one.replacement?.evseId === evse.id);
      const key = JSON.stringify([station.online, evse, hold?.id, hold?.version]);
      if (row.dataset.key === key) return;
      drawEvse(row, { station, evse, hold });
      if (row.dataset.key) row.classList.add('flash');
      row.dataset.key = key;
    },
  );
}

function drawEvse(row, { station, evse, hold }) {
  const statuses = evse.connectors.map((one) => one.status);
  const tone =
    !station.online && !hold ? 'off' : hold ? `t-${lookOf(hold).tone}` : statuses.length && statuses.every((one) => one === 'Faulted') ? 't-fault' : '';
  row.className = `bay-row ${tone}`;
  const several = evse.connectors.length > 1;
  const connectors = evse.connectors.map((one) => connector(one, { online: station.online, several }));
  fill(
    row,
    h('b', { class: 'id', aria: { label: t('words.evse', { id: evse.id }) } }, String(evse.id)),
    h('ul', { class: 'cons' }, connectors.length ? connectors : h('li', { class: 'soft' }, t('station.noConnectors'))),
    h('div', { class: 'end' }, hold ? holdOf(hold) : reserveOf(station, evse)),
    hold && hold.status !== 'Used' ? meter(hold) : null,
  );
}

function connector({ id, status, type, since }, { online, several }) {
  const shown = online || !status ? status : 'Offline';
  const word = shown ? t(`words.${shown}`) : t('words.unknown');
  const last = shown === 'Offline' ? t('station.was', { status: t(`words.${status}`) }) : since ? t('station.since', { at: when(since) }) : '';
  return h(
    'li',
    null,
    h('span', { class: `s t-${TONE_OF_CONNECTOR[shown] ?? 'over'}` }, icon(OF_CONNECTOR[shown] ?? 'unknown'), word),
    h(
      'span',
      null,
      h('b', null, connectorName(type)),
      ' ',
      several ? [h('span', { class: 'soft' }, t('station.connector', { id })), ' '] : null,
      h('span', { class: 'quiet' }, last),
    ),
  );
}

function reserveOf(station, evse) {
  if (!canOrder() || !station.online || !evse.connectors.some((one) => one.status === 'Available')) return null;
  return h(
    'button',
    {
      class: 'btn slim hold',
      type: 'button',
      aria: { label: t('station.reserveEvse', { id: evse.id }) },
      on: { click: () => openReserve({ stationId: station.id, evseId: evse.id }) },
    },
    t('station.reserve'),
  );
}

function holdOf(hold) {
  const { word } = lookOf(hold);
  return [
    h(
      'a',
      { class: 'left', href: `/reservations/${hold.id}` },
      hold.status === 'Used' ? word : h('time', { data: { until: hold.expiryDateTime } }, countdown(Date.parse(hold.expiryDateTime) - now())),
    ),
    h('span', { class: 'sub' }, `${hold.id} · ${mask(hold.idToken)}`),
  ];
}

function meter(hold) {
  const bar = svg('rect', { class: 'fill', width: METER, height: 4, data: { from: hold.createdAt, to: hold.expiryDateTime } });
  return svg(
    'svg',
    { class: 'meter', viewBox: `0 0 ${METER} 4`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'rail', width: METER, height: 4 }),
    bar,
  );
}

/** The rows of a station's live reservations. */
export function drawHolds(view, station) {
  const holds = [...holdsOf(station.id)].sort((a, b) => Date.parse(a.expiryDateTime) - Date.parse(b.expiryDateTime));
  view.noHolds.hidden = holds.length > 0;
  say(view.noHolds, t('station.noHolds'));
  keyed(
    view.holds,
    holds,
    (one) => one.id,
    () => h('li'),
    (row, one) => {
      const key = `${one.version} ${one.status}`;
      if (row.dataset.key === key) return;
      row.dataset.key = key;
      const { icon: shape, tone, word } = lookOf(one);
      fill(
        row,
        h('a', { class: 'idno', href: `/reservations/${one.id}` }, String(one.id)),
        h('span', { class: `s t-${tone}` }, icon(shape), word),
        h('span', { class: 'soft where' }, scopeOf(one)),
        h('span', { class: 'code soft' }, mask(one.idToken)),
        h(
          'span',
          { class: 'until' },
          h('b', null, h('time', { data: { until: one.expiryDateTime } }, countdown(Date.parse(one.expiryDateTime) - now()))),
          ' ',
          h('span', { class: 'note soft' }, t('station.until', { at: when(one.expiryDateTime) })),
        ),
      );
    },
  );
}

/** Each second: countdowns and meters below `root` by the server's clock. */
export function tickRows(root) {
  const at = now();
  for (const el of root.querySelectorAll('[data-until]')) say(el, countdown(Date.parse(el.dataset.until) - at));
  for (const el of root.querySelectorAll('rect[data-to]')) {
    const from = Date.parse(el.dataset.from);
    const to = Date.parse(el.dataset.to);
    el.setAttribute('width', String(Math.max(0, Math.min(1, (to - at) / (to - from))) * METER));
  }
}
