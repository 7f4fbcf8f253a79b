// Stations: a live board by place.
import { everySecond } from '../clock.js';
import { fill, h, keyed, say, svg } from '../dom.js';
import { byId } from '../evse.js';
import { connectorName } from '../format.js';
import { icon, OF_CONNECTOR, TONE_OF_CONNECTOR } from '../icons.js';
import * as store from '../store.js';
import { t } from '../text.js';
import { addStation } from './board-add.js';
import { countAll, drawCard, lostFor, makeCard, modelOf, running } from './board-card.js';
import { figuresStrip } from './board-figures.js';
import { openReserve } from './reserve.js';

const STATES = ['Available', 'Reserved', 'Occupied', 'Unavailable', 'Faulted', 'Offline'];
const MANY = 60;
const A_FRAME = 80;

/** The page's name. */
export const title = () => t('shell.stations');

/** Shows the board. */
export async function show(root, params, { signal }) {
  running.clear();
  const models = new Map();
  const filter = { states: new Set(), text: '', type: '' };
  let drawn = A_FRAME;
  let sorted = null;

  const sum = h('span', { class: 'soft' });
  const reserve = h('button', { class: 'btn main', type: 'button', on: { click: () => openReserve({}) } }, icon('held'), t('board.reserve'));
  const views = viewSwitch();
  const acts = h('div', { class: 'acts' }, views, store.canOrder() ? reserve : null);
  const head = h('div', { class: 'head' }, h('h1', null, t('shell.stations')), sum, acts);
  const bar = filterBar(filter, () => draw(null));
  const sites = h('div', { class: 'sites' });
  const noHit = h('section', { class: 'panel empty', hidden: true }, h('h2', null, t('board.noHitHead')), h('p', null, t('board.noHitText')), h('button', { class: 'btn', type: 'button', on: { click: bar.reset } }, t('board.showAll')));
  const full = h('div', null, store.session.role === 'driver' ? null : figuresStrip({ signal }), bar.el, sites, noHit);
  const empty = emptyBoard();
  const bones = bonesOf();
  fill(root, head, bones, full, empty);

  const isShown = (model) => {
    const hit = !filter.text || model.text.includes(filter.text);
    return (row) =>
      (!filter.states.size || row.face.states.some((one) => filter.states.has(one))) &&
      (!filter.type || row.types.includes(filter.type)) &&
      (hit || row.text.includes(filter.text) || row.hold?.idToken.idToken.toLowerCase() === filter.text);
  };

  function refresh(ids) {
    if (ids === null) models.clear();
    for (const id of ids ?? store.stations.keys()) {
      const station = store.stations.get(id);
      if (models.has(id) !== !!station) sorted = null;
      if (station) models.set(id, modelOf(station));
      else models.delete(id);
    }
    sorted ??= [...store.stations.values()].sort(byId).map((one) => one.id);
    draw(ids);
  }

  // Only the cards of `ids` are drawn anew; null draws all. What is on no card yet comes in portions, so that no frame is long.
  function draw(ids) {
    if (store.loaded) bones.remove();
    const none = store.loaded && !store.stations.size;
    empty.hidden = !none;
    acts.hidden = none;
    full.hidden = none || !store.loaded;
    if (none || !store.loaded) return say(sum, '');
    const shown = sorted.map((id) => models.get(id)).filter((model) => model && (model.rows.length ? model.rows.some(isShown(model)) : isBare(model)));
    const portion = shown.slice(0, drawn);
    if (shown.length > drawn) requestAnimationFrame(() => !signal.aborted && ((drawn += A_FRAME), draw(new Set(shown.slice(drawn - A_FRAME, drawn).map((one) => one.station.id)))));
    const places = grouped(portion, shown);
    keyed(sites, places, (place) => place.name ?? '', makeSite, (el, place) => drawSite(el, place, ids));
    noHit.hidden = shown.length > 0;
    views.suggest(store.stations.size > MANY);
    root.classList.toggle('many', store.stations.size > MANY);
    root.classList.toggle('dense', views.dense);
    counts();
  }

  const isBare = (model) => !filter.states.size && !filter.type && (!filter.text || model.text.includes(filter.text));

  function drawSite(el, place, ids) {
    say(el.heading, place.name ?? (el.parentNode?.childElementCount > 1 ? t('board.noPlace') : t('board.all')));
    drawSum(el, place.all);
    keyed(el.list, place.models, (model) => model.station.id, makeCard, (card, model) => {
      if (card.model === model && ids !== null && !ids.has(model.station.id)) return;
      card.model = model;
      drawCard(card, model, isShown(model));
    });
  }

  function counts() {
    const found = new Map();
    const types = new Set();
    let online = 0;
    for (const { station, rows } of models.values()) {
      online += station.online;
      for (const row of rows) {
        if (row.evse) for (const state of row.face.states) found.set(state, (found.get(state) ?? 0) + 1);
        for (const type of row.types) types.add(type);
      }
    }
    say(sum, t('board.sum', { n: models.size, online }));
    bar.tell(found, types);
  }

  store.on('stations', refresh, { signal });
  store.on('reservations', (ids) => {
    if (ids === null) return refresh(null);
    const touched = new Set([...ids].map((id) => store.reservations.get(id)?.stationId).filter((id) => store.stations.has(id)));
    refresh(touched);
  }, { signal });
  views.addEventListener('change', () => root.classList.toggle('dense', views.dense));
  everySecond((at) => {
    countAll(at);
    // Words in minutes: once in ten seconds is enough.
    if (Math.floor(at / 1000) % 10 === 0) for (const el of root.querySelectorAll('[data-since]')) say(el, lostFor(el.dataset.since));
  }, { signal });
  refresh(null);
}

function grouped(models, all) {
  const places = new Map();
  for (const model of models) {
    const name = model.station.location?.name ?? null;
    if (!places.has(name)) places.set(name, { name, models: [], all: [] });
    places.get(name).models.push(model);
  }
  for (const model of all) places.get(model.station.location?.name ?? null)?.all.push(model);
  // Places by name, what has none last.
  return [...places.values()].sort((a, b) => (a.name === null) - (b.name === null) || String(a.name).localeCompare(String(b.name)));
}

function makeSite() {
  const heading = h('h2');
  const facts = [h('span'), h('span'), h('span')];
  const list = h('ol', { class: 'grid' });
  const el = h('section', { class: 'site' }, h('header', null, heading, h('p', { class: 'sum' }, facts)), list);
  return Object.assign(el, { heading, facts, list });
}

function drawSum(el, models) {
  let free = 0;
  let evses = 0;
  let held = 0;
  for (const { rows } of models) {
    for (const { face, evse, hold } of rows) {
      evses += !!evse;
      free += face.states[0] === 'Available';
      held += !!hold;
    }
  }
  say(el.facts[0], t('words.stations', { n: models.length }));
  say(el.facts[1], t('board.free', { free, n: evses }));
  say(el.facts[2], t('board.held', { n: held }));
}

function filterBar(filter, changed) {
  const search = h('input', { type: 'search', placeholder: t('board.searchHint'), aria: { label: t('board.search') }, on: { input: () => ((filter.text = search.value.trim().toLowerCase()), changed()) } });
  const chips = STATES.map((state) => {
    const count = h('span', { class: 'num' }, '0');
    const el = h('button', { class: `chip t-${TONE_OF_CONNECTOR[state]}`, type: 'button', aria: { pressed: 'false' } }, icon(OF_CONNECTOR[state], { class: 'glyph' }), t(`words.${state}`), ' ', count);
    el.addEventListener('click', () => {
      const yes = !filter.states.delete(state) && !!filter.states.add(state);
      el.setAttribute('aria-pressed', String(yes));
      changed();
    });
    return { el, count, state };
  });
  const select = h('select', { aria: { label: t('board.type') }, on: { change: () => ((filter.type = select.value), changed()) } }, h('option', { value: '' }, t('board.allTypes')));
  const el = h('div', { class: 'filters', role: 'group', aria: { label: t('board.filter') } },
    h('label', { class: 'search' }, icon('search'), search), h('div', { class: 'chips' }, chips.map((one) => one.el)), h('span', { class: 'select push' }, select, icon('chevron')));
  function tell(found, types) {
    for (const one of chips) say(one.count, String(found.get(one.state) ?? 0));
    const wanted = [...types].sort();
    if (filter.type && !types.has(filter.type)) wanted.push(filter.type);
    if (wanted.join() === select.told) return;
    select.told = wanted.join();
    fill(select, h('option', { value: '' }, t('board.allTypes')), wanted.map((type) => h('option', { value: type }, connectorName(type))));
    select.value = filter.type;
  }
  function reset() {
    filter.states.clear();
    filter.text = filter.type = search.value = select.value = '';
    for (const one of chips) one.el.setAttribute('aria-pressed', 'false');
    changed();
    search.focus();
  }
  return { el, tell, reset };
}

// Cards or lines; many stations are better read as lines, until the reader has chosen.
function viewSwitch() {
  const kept = read();
  const button = (dense, shape, name) => h('button', { type: 'button', aria: { label: t(name), pressed: 'false' }, title: t(name), on: { click: () => choose(dense) } }, icon(shape));
  const both = [button(false, 'stations', 'board.asCards'), button(true, 'rows', 'board.asLines')];
  const el = h('div', { class: 'seg board-view', role: 'group', aria: { label: t('board.view') } }, both);
  el.dense = kept === 'lines';
  el.suggest = (many) => kept ?? el.chosen ?? set(many);
  const set = (dense) => {
    el.dense = dense;
    both.forEach((one, i) => one.setAttribute('aria-pressed', String(!!i === dense)));
  };
  const choose = (dense) => {
    el.chosen = true;
    set(dense);
    try {
      localStorage.setItem('board', dense ? 'lines' : 'cards');
    } catch {
      // No storage: it holds until the page is left.
    }
    el.dispatchEvent(new Event('change'));
  };
  set(el.dense);
  return el;
}

function read() {
  try {
    return localStorage.getItem('board');
  } catch {
    return null;
  }
}

function emptyBoard() {
  const address = `ws://${location.hostname}:9000/ocpp/NG-01`;
  return h('section', { class: 'panel empty', hidden: true }, drawing(), h('h2', null, t('board.emptyHead')), h('p', null, t('board.emptyText')),
    h('pre', { tabindex: '0', aria: { label: t('board.commands') } }, h('code', null, `evhold station add NG-01\n${address}`)),
    store.canOperate() ? h('button', { class: 'btn main', type: 'button', on: { click: addStation } }, t('board.add')) : null);
}

function drawing() {
  const line = (d, dashed) => svg('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': 2, 'stroke-dasharray': dashed ? '4 3' : null });
  return svg('svg', { viewBox: '0 0 96 64', 'aria-hidden': 'true' }, line('M8 60h80'), line('M20 60V12a4 4 0 0 1 4-4h16a4 4 0 0 1 4 4v48M26 18h12v10H26z'), line('M44 40h6c4 0 4 10 8 10s4-6 4-14', true), line('M66 14h14v22l-7-5-7 5z', true));
}

function bonesOf() {
  const bone = () => h('li', { class: 'panel station wait' }, ['a', 'b', 'c', 'b'].map((one) => h('span', { class: `bone ${one}` })));
  return h('div', null, h('p', { class: 'sr', role: 'status' }, t('board.loading')), h('ol', { class: 'grid', aria: { hidden: 'true' } }, Array.from({ length: 8 }, bone)));
}
