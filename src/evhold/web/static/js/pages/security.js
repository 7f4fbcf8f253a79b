// What a station told of its security, and what was noted of who stood at its door; newest first.
import { nextOf, query, request } from '../api.js';
import { everySecond } from '../clock.js';
import { fill, h, keyed, say } from '../dom.js';
import { when } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';

const STEP = 10;
const MOST = 500;
const EVERY_S = 3;

/** The panel of a station's security events. */
export function securityPanel(stationId, { signal }) {
  const view = { stationId, signal, limit: STEP, busy: false, kind: '', list: h('ol', { class: 'alarms' }) };
  view.note = h('p', { class: 'small soft end' });
  view.body = h('div');
  view.more = h('p', { class: 'pad' }, h('button', { class: 'btn', type: 'button', on: { click: () => older(view) } }, t('station.security.older')));
  let left = EVERY_S;
  everySecond(
    () => {
      left -= 1;
      if (left > 0) return;
      left = EVERY_S;
      load(view);
    },
    { signal },
  );
  load(view);
  return h('section', { class: 'panel', aria: { labelledby: 'security-h' } }, h('header', null, h('h2', { id: 'security-h' }, t('station.security.head')), view.note), view.body);
}

function older(view) {
  view.limit = Math.min(MOST, view.limit + 5 * STEP);
  load(view);
}

async function load(view) {
  if (view.busy || view.signal.aborted) return;
  view.busy = true;
  const { limit } = view;
  try {
    const answer = await request('GET', `/stations/${encodeURIComponent(view.stationId)}/security-events${query({ limit })}`, { signal: view.signal });
    draw(view, answer.body, nextOf(answer.headers) !== null && limit < MOST);
  } catch {
    if (!view.signal.aborted) say(view.note, t('station.security.failed'));
  }
  view.busy = false;
  if (limit !== view.limit) load(view);
}

function draw(view, found, isMore) {
  say(view.note, found.length ? t('station.security.shown', { n: found.length }) : '');
  const kind = found.length ? 'some' : 'none';
  if (view.kind !== kind) fill(view.body, found.length ? [view.list, view.more] : h('p', { class: 'soft pad' }, t('station.security.none')));
  view.kind = kind;
  view.more.hidden = !isMore;
  keyed(view.list, found, (one) => one.number, line);
}

// All words of a station's are text; none of them becomes an element.
function line(event) {
  const isOurs = event.origin === 'csms';
  // It was kept until the station was back, or its clock is wrong.
  const isApart = event.toldAt && Math.abs(Date.parse(event.toldAt) - Date.parse(event.at)) > 60_000;
  const told = isApart ? t('station.security.byItsClock', { at: when(event.toldAt) }) : '';
  const from = isOurs ? t('station.security.ours') : t('station.security.told');
  const more = [from, event.remote ? t('station.security.from', { address: event.remote }) : '', told].filter(Boolean).join(', ');
  return h(
    'li',
    null,
    h('time', { class: 'small soft', datetime: event.at, title: event.at }, when(event.at)),
    h('span', { class: `s ${isOurs ? 't-doubt' : 't-over'}` }, icon(isOurs ? 'key' : 'out')),
    h(
      'div',
      null,
      h('b', null, h('code', null, event.type)),
      event.count > 1 ? h('span', { class: 'quiet' }, ' ', t('station.security.times', { n: event.count })) : null,
      event.techInfo ? h('p', { class: 'small' }, event.techInfo) : null,
      h('p', { class: 'small soft' }, more),
    ),
  );
}
