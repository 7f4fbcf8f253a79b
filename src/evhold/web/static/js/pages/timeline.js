// The last hours and the next ones: a row per EVSE, bars for holds and use, a line at now.
import { get, query } from '../api.js';
import { everySecond, now } from '../clock.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h, keyed, say } from '../dom.js';
import { connectorName, dateTime, day, time } from '../format.js';
import { OF_CONNECTOR, TONE_OF_CONNECTOR, icon } from '../icons.js';
import { on, session, stations } from '../store.js';
import { t } from '../text.js';
import { drawGroup, drawPlain, hrefOf, layout, makeGroup, makePlain, nameOf } from './timeline-bars.js';

const HOUR = 3600e3, MINUTE = 60e3;
const SPANS = [1, 4, 8, 24];
const TICKS = { 1: 5 * MINUTE, 4: 15 * MINUTE, 8: 30 * MINUTE, 24: 2 * HOUR };
const BEFORE = 0.75;
const PAUSE_MS = 1500, LOOK_AGAIN_S = 30;
const LEGEND = [['came', 'held'], ['used', 'bolt'], ['held', 'held'], ['lapsed', 'expired'], ['doubt', 'unconfirmed'], ['fault', 'faulted'], ['off', 'offline']];

/** The page's name. */
export const title = () => t('timeline.title');

/** Shows the timeline until `signal` ends. */
export async function show(root, params, { signal }) {
  const view = viewOf(params.query);
  const parts = build(view, { turn, signal });
  fill(root, parts.head, parts.legend, parts.wrap);
  let planned;
  const soon = () => { planned ??= setTimeout(() => { planned = undefined; read(); }, PAUSE_MS); };
  signal.addEventListener('abort', () => clearTimeout(planned), { once: true });
  on('reservations', soon, { signal });
  on('stations', () => { listStations(parts.station, view.station); soon(); }, { signal });
  everySecond((at) => {
    tick(parts, view);
    if (Math.floor(at / 1000) % LOOK_AGAIN_S === 0) soon();
  }, { signal });
  const sized = new ResizeObserver(() => draw(parts, view));
  sized.observe(parts.wrap);
  signal.addEventListener('abort', () => sized.disconnect(), { once: true });
  // A driver's key sees its own reservations, and no rows of others.
  if (session?.role === 'driver') view.forbidden = true;
  await read();
  nowInView(parts, view);

  // Two may be under way, and the older one come last: only the newest is drawn.
  async function read() {
    const window = windowOf(view);
    const mine = (view.reads = (view.reads ?? 0) + 1);
    if (view.forbidden) return void draw(parts, Object.assign(view, window));
    try {
      const from = new Date(window.from).toISOString();
      const found = await get(`/timeline${query({ from, to: new Date(window.to).toISOString(), stationId: view.station })}`, { signal });
      if (signal.aborted || mine !== view.reads) return;
      Object.assign(view, window, { sites: sitesOf(found.stations), failed: false });
    } catch (error) {
      if (signal.aborted || mine !== view.reads) return;
      Object.assign(view, window, { failed: true });
    }
    draw(parts, view);
  }

  // What is shown is in the address, so that it can be shared.
  function turn(change) {
    Object.assign(view, change);
    history.replaceState(null, '', `/timeline${query({ span: view.span === 8 ? '' : view.span, at: view.at ? new Date(view.at).toISOString() : '', station: view.station })}`);
    return read().then(() => change.station === undefined && nowInView(parts, view));
  }
}

function viewOf(search) {
  const span = Number(search.get('span'));
  const at = Date.parse(search.get('at') ?? '');
  return { span: SPANS.includes(span) ? span : 8, at: Number.isNaN(at) ? null : at, station: search.get('station') ?? '', sites: null, failed: false };
}

/** From and to: three quarters behind now (or the chosen moment), on a full tick. */
function windowOf({ span, at }) {
  const step = TICKS[span];
  const offset = new Date(at ?? now()).getTimezoneOffset() * MINUTE;
  const from = Math.floor(((at ?? now()) - BEFORE * span * HOUR - offset) / step) * step + offset;
  return { from, to: from + span * HOUR };
}

function sitesOf(list) {
  const sites = new Map();
  for (const station of list) {
    const name = station.location?.name ?? '';
    if (!sites.has(name)) sites.set(name, []);
    sites.get(name).push(station);
  }
  // Stations without a place come last.
  return [...sites].sort(([a], [b]) => !a - !b || a.localeCompare(b, undefined, { numeric: true }));
}

function build(view, { turn }) {
  const range = h('span', { class: 'soft' });
  const spans = h('div', { class: 'seg', role: 'group', aria: { label: t('timeline.span') } }, SPANS.map((span) => h('button', { type: 'button', data: { span }, on: { click: () => turn({ span }) } }, t(`timeline.spans.${span}`))));
  const step = (way) => () => turn({ at: (view.at ?? now()) + (way * view.span * HOUR) / 2 });
  const earlier = h('button', { class: 'btn icon', type: 'button', title: t('timeline.earlier'), aria: { label: t('timeline.earlier') }, on: { click: step(-1) } }, icon('back'));
  const later = h('button', { class: 'btn icon', type: 'button', title: t('timeline.later'), aria: { label: t('timeline.later') }, on: { click: step(1) } }, icon('next'));
  const here = h('button', { class: 'btn', type: 'button', on: { click: () => turn({ at: null }) } }, t('timeline.now'));
  const station = h('select', { aria: { label: t('timeline.station') }, on: { change: () => turn({ station: station.value }) } });
  listStations(station, view.station);
  const head = h('div', { class: 'head' }, h('h1', null, t('timeline.title')), range, h('div', { class: 'acts tl-acts' }, h('span', { class: 'select' }, station, icon('chevron')), spans, earlier, here, later));
  const legend = h('ul', { class: 'legend filters', tabindex: 0, aria: { label: t('timeline.legend') } }, LEGEND.map(([name, shape]) => h('li', null, h('span', { class: `barx ${name}` }, icon(shape)), t(`timeline.legends.${name}`))));
  const ticks = h('div', { class: 'ticks' });
  const grid = h('div', { class: 'tl-grid', aria: { hidden: true } });
  const line = h('i');
  const clock = h('b');
  const mark = h('div', { class: 'tl-now', aria: { hidden: true } }, line, clock);
  const axis = h('div', { class: 'tl-axis', aria: { hidden: true } }, h('div', { class: 'tl-label' }, h('span'), h('span', { class: 'soft' }, t('timeline.evse'))), ticks);
  const rows = h('ol');
  const note = h('div', { class: 'list-note' });
  const chart = h('div', { class: 'tl' }, axis, grid, mark, rows);
  const wrap = h('div', { class: 'panel tl-wrap', tabindex: 0, role: 'region', aria: { label: t('timeline.region') } }, chart, note);
  return { head, range, spans, here, station, legend, ticks, grid, mark, line, clock, rows, chart, note, wrap, again: () => turn({}) };
}

function listStations(select, wanted) {
  const ids = [...stations.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  if (wanted && !ids.includes(wanted)) ids.push(wanted);
  keyed(select, [{ id: '', name: t('timeline.allStations') }, ...ids.map((id) => ({ id, name: id }))], (one) => one.id, (one) => h('option', { value: one.id }, one.name));
  if (select.value !== wanted) select.value = wanted;
}

function draw(parts, view) {
  if (view.from === undefined) return;
  const sameDay = new Date(view.from).toDateString() === new Date(view.to).toDateString();
  say(parts.range, sameDay ? `${day(view.from)}, ${t('timeline.range', { from: time(view.from), to: time(view.to) })}` : t('timeline.range', { from: dateTime(view.from), to: dateTime(view.to) }));
  for (const one of parts.spans.children) one.setAttribute('aria-pressed', String(Number(one.dataset.span) === view.span));
  parts.here.setAttribute('aria-pressed', String(view.at === null));
  scale(parts, view);
  const items = itemsOf(view.sites ?? []);
  parts.rowEls = keyed(parts.rows, items, (item) => item.key, (item) => (item.site === undefined ? rowOf() : h('li', { class: 'tl-site' }, h('span', null, item.site || t('timeline.noSite')))), (el, item) => item.site === undefined && labelOf(el, item));
  parts.shown = items.filter((item) => item.site === undefined);
  parts.chart.hidden = !parts.shown.length;
  note(parts, view);
  tick(parts, view, { all: true });
}

function note(parts, view) {
  const kind = view.forbidden ? 'forbidden' : view.failed && !view.sites ? 'failed' : view.sites && !view.sites.length ? 'none' : '';
  if (parts.note.dataset.kind === kind) return;
  parts.note.dataset.kind = kind;
  const again = h('button', { class: 'btn', type: 'button', on: { click: parts.again } }, t('shell.again'));
  if (kind === 'failed') fill(parts.note, h('div', { class: 'empty', role: 'alert' }, h('p', null, t('timeline.failed')), again));
  else if (kind === 'forbidden') fill(parts.note, h('div', { class: 'empty' }, h('p', null, t('timeline.forbidden')), h('a', { class: 'btn', href: '/reservations' }, t('reservations.title'))));
  else if (kind === 'none') fill(parts.note, h('div', { class: 'empty' }, h('h2', null, t('timeline.noneHead')), h('p', null, t('timeline.noneText')), h('pre', { tabindex: 0 }, h('code', null, t('timeline.noneCommand')))));
  else fill(parts.note);
}

function itemsOf(sites) {
  return sites.flatMap(([site, list]) => [
    { key: `site ${site}`, site },
    ...list.flatMap((station) => station.evses.map((row, index) => ({ key: `${station.id} ${row.id}`, station, row, first: index === 0 }))),
  ]);
}

function scale({ ticks, grid }, view) {
  const step = TICKS[view.span];
  const marks = [];
  for (let at = view.from; at < view.to; at += step) marks.push(at);
  const x = (at) => `${(100 * (at - view.from)) / (view.to - view.from)}%`;
  keyed(grid, marks, (at) => at, () => h('i'), (el, at) => { el.style.left = x(at); });
  // A text at the left edge would lie over the names.
  keyed(ticks, marks.slice(1), (at) => at, (at) => h('span', null, time(at)), (el, at) => { el.style.left = x(at); el.dataset.at = at; });
}

function rowOf() {
  return h('li', { class: 'tl-row' }, h('div', { class: 'tl-label' }), h('div', { class: 'lane' }));
}

function labelOf(el, { station, row, first }) {
  const status = statusOf(station, row);
  const name = row.id === null ? t('timeline.anyEvse') : row.id;
  const types = row.types.map(connectorName).join(', ');
  const label = el.firstElementChild;
  const sign = [status.icon, status.word, name, types, first].join('|');
  if (label.dataset.sign === sign) return;
  label.dataset.sign = sign;
  label.className = `tl-label t-${status.tone}`;
  fill(label, icon(status.icon, { class: 'glyph' }),
    h('span', { class: `nowrap${first ? ' first' : ''}` }, h('a', { href: `/stations/${encodeURIComponent(station.id)}` }, station.id), h('span', { class: 'sr' }, ` ${t('timeline.evse')}`), ` · ${name}`),
    h('span', { class: 'soft' }, types), h('span', { class: 'sr' }, status.word));
}

function statusOf(station, row) {
  const open = row.bars.filter((bar) => bar.kind === 'held' && !bar.to);
  const doubt = open.find((bar) => bar.doubt && bar.status !== 'Pending');
  if (doubt) return doubt.status === 'Active' ? { icon: 'wish', tone: 'doubt', word: t('words.Wish') } : { icon: 'unconfirmed', tone: 'doubt', word: t('words.Unconfirmed') };
  const status = station.online ? row.status ?? (open.length ? 'Reserved' : null) : 'Offline';
  if (!status) return { icon: row.id === null ? 'minus' : 'unknown', tone: 'over', word: t('words.unknown') };
  return { icon: OF_CONNECTOR[status] ?? 'unknown', tone: TONE_OF_CONNECTOR[status] ?? 'over', word: t(`words.${status}`) };
}

// What moves with the clock: the line, the end of what goes on, and where a hold is behind us and where ahead.
function tick(parts, view, { all = false } = {}) {
  if (!parts.shown) return;
  const at = now();
  const place = (100 * (at - view.from)) / (view.to - view.from);
  parts.mark.hidden = place < 0 || place > 100;
  parts.line.style.left = parts.clock.style.left = `${place}%`;
  say(parts.clock, time(at, { seconds: true }));
  const width = parts.ticks.clientWidth;
  for (const one of parts.ticks.children) one.hidden = !parts.mark.hidden && Math.abs(width * (Number(one.dataset.at) - at)) / (view.to - view.from) < 56;
  const drawn = { from: view.from, to: view.to, now: at, px: width };
  for (const item of parts.shown) if (all || item.row.bars.some((bar) => !bar.to)) drawLane(parts, item, drawn);
}

function drawLane(parts, { key, station, row }, drawn) {
  const lane = parts.rowEls.get(key).lastElementChild;
  const bars = row.bars.filter((bar) => Date.parse(bar.from) < drawn.to && Date.parse(bar.from) <= drawn.now + MINUTE);
  const { many, plain, groups } = layout(bars, drawn);
  lane.style.minHeight = many > 1 ? `${36 + (many - 1) * 28}px` : '';
  const list = (some) => openList(station, row, some);
  keyed(lane, [...plain, ...groups], (one) => one.key, (one) => (one.bars ? makeGroup(one, station.id, list) : makePlain()), (el, one) => (one.bars ? drawGroup(el, one, many) : drawPlain(el, one)));
}

// Bars too small to be pressed one by one, as a list.
function openList(station, row, bars) {
  const head = `${station.id} · ${row.id ?? t('timeline.anyEvse')}`;
  const rows = bars.map((bar) => h('li', null, h('a', { href: hrefOf(bar, station.id) }, nameOf(bar))));
  return openDialog(dialog({ head, body: h('div', { class: 'dlg-body' }, h('ul', { class: 'tl-list' }, rows)) }));
}

// On a narrow screen the chart is wider than the window: it opens with now in view.
function nowInView({ wrap, line }, view) {
  if (view.at !== null || wrap.scrollWidth <= wrap.clientWidth) return;
  wrap.scrollLeft += line.getBoundingClientRect().left - wrap.getBoundingClientRect().left - wrap.clientWidth * 0.72;
}
