// Figures: what became of the reservations of a period, as a whole and day by day.
import { get } from '../api.js';
import { fill, h, svg } from '../dom.js';
import { day, duration, number, percent } from '../format.js';
import { everySecond, now } from '../clock.js';
import { icon } from '../icons.js';
import { on, stations } from '../store.js';
import { t } from '../text.js';

const PERIODS = [7, 30, 90];
const REFRESH_S = 30;

const seconds = (value) =>
  value === null ? number(null) : value < 0.1 ? t('figures.milliseconds', { n: number(value * 1000, 0) }) : t('words.seconds', { n: number(value, 2) });
const minutes = (value) => t('words.minutes', { n: number(value, 0) });

/** What is drawn: `of` takes a day's value, `say` puts it in words, `note` stands below the whole period's value. */
const CHARTS = [
  {
    key: 'made',
    of: (one) => one.made,
    say: number,
    now: (all) => number(all.activeNow),
    note: (all) => t('figures.note.active', { n: all.unconfirmedNow, made: number(all.total.made) }),
  },
  {
    key: 'accepted',
    of: (one) => one.acceptedPercent,
    say: percent,
    full: 100,
    note: ({ total }) => t('figures.note.accepted', { some: number(total.accepted), all: number(total.accepted + total.refused + total.failed) }),
  },
  {
    key: 'used',
    of: (one) => one.usedPercent,
    say: percent,
    full: 100,
    note: ({ total }) => t('figures.note.used', { some: number(total.used), all: number(total.accepted) }),
  },
  {
    key: 'expired',
    of: (one) => one.expiredUnusedPercent,
    say: percent,
    full: 100,
    note: ({ total }) => t('figures.note.expired', { some: number(total.expiredUnused), all: number(total.accepted) }),
  },
  { key: 'answer', of: (one) => one.medianAnswerSeconds, say: seconds, note: () => t('figures.note.answer') },
  {
    key: 'unused',
    of: (one) => one.evseMinutesUnused,
    say: minutes,
    note: ({ total }) => t('figures.note.unused', { all: duration(total.evseMinutesHeld * 60_000) }),
  },
];

/** The page's name. */
export function title() {
  return t('figures.title');
}

/** The page is drawn in `root`, and kept up to date until `signal` ends. */
export async function show(root, params, { signal }) {
  const asked = new URLSearchParams(location.search);
  const chosen = { days: PERIODS.includes(Number(asked.get('days'))) ? Number(asked.get('days')) : PERIODS[0], station: asked.get('station') ?? '' };
  const body = h('div', null, bones());
  const period = h('p', { class: 'soft' });
  let shown = '';

  async function load() {
    const mine = JSON.stringify(chosen);
    try {
      const all = await get(pathOf(chosen));
      if (signal.aborted || mine !== JSON.stringify(chosen)) return;
      period.textContent = t('figures.period', { from: day(all.from), to: day(new Date(now()).toISOString()), zone: all.timeZone });
      if (shown !== JSON.stringify(all)) draw(body, all);
      shown = JSON.stringify(all);
    } catch (error) {
      if (!signal.aborted && shown === '') fill(body, failure(error, load));
    }
  }

  function choose(change) {
    Object.assign(chosen, change);
    const query = new URLSearchParams({ days: String(chosen.days), ...(chosen.station ? { station: chosen.station } : {}) });
    history.replaceState(history.state, '', `/figures?${query}`);
    load();
  }

  root.append(h('div', { class: 'head' }, h('h1', null, t('figures.title')), period), filters(chosen, choose, signal), body);
  await load();
  let beat = 0;
  everySecond(
    () => {
      beat += 1;
      if (beat % REFRESH_S === 0) load();
    },
    { signal },
  );
}

function pathOf({ days, station }) {
  const start = new Date(now());
  start.setHours(0, 0, 0, 0);
  start.setDate(start.getDate() - days + 1);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  // Up to now by the server's own clock: what this page takes for now may lie a second behind, and hide what was just made.
  const query = new URLSearchParams({ from: start.toISOString(), timeZone: zone });
  if (station) query.set('stationId', station);
  return `/figures?${query}`;
}

function filters(chosen, choose, signal) {
  const periods = PERIODS.map((days) =>
    h('button', { type: 'button', aria: { pressed: String(days === chosen.days) }, on: { click: pick } }, t('figures.days', { n: days })),
  );
  function pick(event) {
    for (const one of periods) one.setAttribute('aria-pressed', String(one === event.currentTarget));
    choose({ days: PERIODS[periods.indexOf(event.currentTarget)] });
  }
  const select = h('select', { aria: { label: t('figures.station') }, on: { change: () => choose({ station: select.value }) } });
  function fill() {
    const ids = [...new Set([...stations.keys(), ...(chosen.station ? [chosen.station] : [])])].sort();
    if (ids.join() === select.dataset.ids) return;
    select.dataset.ids = ids.join();
    select.replaceChildren(h('option', { value: '' }, t('figures.everyStation')), ...ids.map((id) => h('option', { value: id }, id)));
    select.value = chosen.station;
  }
  fill();
  on('stations', fill, { signal });
  return h(
    'div',
    { class: 'filters' },
    h('div', { class: 'seg', role: 'group', aria: { label: t('figures.periodLabel') } }, periods),
    h('span', { class: 'select' }, select, icon('chevron')),
  );
}

function draw(body, all) {
  if (all.total.made === 0) {
    fill(body, empty(all));
    return;
  }
  fill(
    body,
    h(
      'div',
      { class: 'charts' },
      CHARTS.map((chart) => figure(chart, all)),
    ),
    table(all),
  );
}

function figure(chart, all) {
  const name = t(`figures.chart.${chart.key}`);
  const value = chart.now ? chart.now(all) : chart.say(chart.of(all.total));
  const rest = chart.note(all);
  const note = h('p', { class: 'note soft' }, rest);
  const values = all.days.map(chart.of);
  const best = Math.max(chart.full ?? 0, ...values.filter((one) => one !== null), chart.full ? 0 : 1e-9);
  const bars = drawBars(values, best, (at) => {
    note.textContent = at === null ? rest : `${day(all.days[at].date)}: ${chart.say(values[at])}`;
  });
  bars.setAttribute(
    'aria-label',
    t('figures.chartLabel', {
      name: t(`figures.byDay.${chart.key}`),
      last: chart.say(values.at(-1)),
      most: chart.say(chart.full ? Math.max(0, ...values) : best),
    }),
  );
  return h(
    'figure',
    { class: 'panel chart' },
    h('figcaption', null, h('h2', null, name), h('p', { class: 'figure' }, value), note),
    h('div', { class: 'plot' }, h('span', { class: 'top note quiet', aria: { hidden: 'true' } }, best > 1e-9 ? chart.say(best) : ''), bars),
    h(
      'div',
      { class: 'ends note quiet', aria: { hidden: 'true' } },
      h('span', null, day(all.days[0].date)),
      h('span', null, t(`figures.byDay.${chart.key}`)),
      h('span', null, t('figures.today')),
    ),
  );
}

function drawBars(values, best, point) {
  const width = 100 / values.length;
  const gap = Math.min(width * 0.3, 1.2);
  const drawn = svg('svg', { class: 'bars', viewBox: '0 0 100 48', preserveAspectRatio: 'none', role: 'img' });
  values.forEach((value, at) => {
    const tall = value === null ? 0 : Math.max((value / best) * 48, value > 0 ? 1 : 0);
    const last = at === values.length - 1 ? ' last' : '';
    drawn.append(
      svg('rect', { class: `slot${value === null ? ' none' : ''}`, x: at * width, y: 0, width, height: 48 }),
      svg('rect', { class: `bar-day${last}`, x: at * width + gap / 2, y: 48 - tall, width: width - gap, height: tall }),
    );
  });
  drawn.addEventListener('pointermove', (event) => {
    const box = drawn.getBoundingClientRect();
    point(Math.max(0, Math.min(values.length - 1, Math.floor(((event.clientX - box.left) / box.width) * values.length))));
  });
  drawn.addEventListener('pointerleave', () => point(null));
  return drawn;
}

const COLUMNS = [
  ['made', (one) => number(one.made)],
  ['accepted', (one) => percent(one.acceptedPercent)],
  ['used', (one) => percent(one.usedPercent)],
  ['expired', (one) => percent(one.expiredUnusedPercent)],
  ['answer', (one) => seconds(one.medianAnswerSeconds)],
  ['held', (one) => minutes(one.evseMinutesHeld)],
  ['unused', (one) => minutes(one.evseMinutesUnused)],
];

function table(all) {
  const row = (head, one, kind) =>
    h(
      'tr',
      { class: kind },
      h('th', { scope: 'row' }, head),
      COLUMNS.map(([, say]) => h('td', null, say(one))),
    );
  return h(
    'section',
    { class: 'panel', aria: { labelledby: 'by-day' } },
    h('header', null, h('h2', { id: 'by-day' }, t('figures.byDayTitle')), h('span', { class: 'small soft end' }, t('figures.byDayNote'))),
    h(
      'div',
      { class: 'wide-table', tabindex: '0', role: 'region', aria: { label: t('figures.table') } },
      h(
        'table',
        { class: 'list days' },
        h(
          'thead',
          null,
          h(
            'tr',
            null,
            h('th', { scope: 'col' }, t('figures.day')),
            COLUMNS.map(([key]) => h('th', { scope: 'col' }, t(`figures.column.${key}`))),
          ),
        ),
        h(
          'tbody',
          null,
          row(t('figures.whole'), all.total, 'whole'),
          [...all.days].reverse().map((one) => row(day(one.date), one, 'row')),
        ),
      ),
    ),
  );
}

function empty(all) {
  return h('section', { class: 'panel empty' }, h('h2', null, t('figures.empty')), h('p', null, t('figures.emptyMore', { n: all.activeNow })));
}

function bones() {
  const one = () =>
    h(
      'div',
      { class: 'panel chart', aria: { hidden: 'true' } },
      h('span', { class: 'bone a' }),
      h('span', { class: 'bone c' }),
      h('span', { class: 'bone plot' }),
    );
  return h('div', { class: 'charts', aria: { busy: 'true' } }, CHARTS.map(one));
}

function failure(error, again) {
  return h(
    'section',
    { class: 'panel empty' },
    h('h2', null, t('figures.failed')),
    h('p', null, error.detail || error.message),
    h('button', { class: 'btn', type: 'button', on: { click: again } }, icon('refresh'), t('words.again')),
  );
}
