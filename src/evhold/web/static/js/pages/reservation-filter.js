// Which reservations: the filter as controls, as an address, and as a test.
import { query } from '../api.js';
import { now } from '../clock.js';
import { h, keyed } from '../dom.js';
import { icon } from '../icons.js';
import { isLive, needsAttention, stations } from '../store.js';
import { t } from '../text.js';
import { STATES } from './reason.js';

const KINDS = ['', 'live', 'attention', 'ended'];
const PERIODS = ['today', '24h', '7d', '30d', 'all', 'dates'];
const HOUR = 3600e3;
const LENGTHS = { '24h': 24 * HOUR, '7d': 7 * 24 * HOUR, '30d': 30 * 24 * HOUR };
const TYPING_MS = 250;

/** The filter of an address: `{state, station, token, period, from, to}`, what is not chosen left out. */
export function filterOf(search) {
  const filter = {};
  for (const name of ['state', 'station', 'token', 'period', 'from', 'to']) {
    const value = search.get(name)?.trim();
    if (value) filter[name] = value;
  }
  if (!KINDS.includes(filter.state ?? '') && !STATES.includes(filter.state)) delete filter.state;
  if (!PERIODS.includes(filter.period)) delete filter.period;
  return filter;
}

/** The address that shows this filter again. */
export function addressOf(filter) {
  const { period, ...rest } = filter;
  return `/reservations${query({ ...rest, period: period === 'today' ? '' : period, ...(period === 'dates' ? {} : { from: '', to: '' }) })}`;
}

/** Whether nothing is chosen. */
export const isDefault = (filter) => addressOf(filter) === '/reservations';

/** The bounds of the time of making, as the API takes them; a day is the reader's. */
export function boundsOf(filter) {
  const period = filter.period ?? 'today';
  if (period === 'today') return { from: new Date(new Date(now()).setHours(0, 0, 0, 0)).toISOString() };
  if (LENGTHS[period]) return { from: new Date(Math.floor((now() - LENGTHS[period]) / 60e3) * 60e3).toISOString() };
  if (period !== 'dates') return {};
  return { from: startOf(filter.from, 0), to: startOf(filter.to, 1) };
}

function startOf(day, more) {
  const at = new Date(`${day}T00:00:00`);
  if (!day || Number.isNaN(+at)) return undefined;
  at.setDate(at.getDate() + more);
  return at.toISOString();
}

/** Whether the reservation is one of those that are meant. What is live or needs eyes shows whenever it was made, unless days are named. */
export function fits(r, filter) {
  if (filter.station && r.stationId.toLowerCase() !== filter.station.toLowerCase()) return false;
  if (filter.token && !names(r, filter.token)) return false;
  if (!ofState(r, filter.state)) return false;
  if (filter.token === String(r.id)) return true;
  const open = isLive(r) || needsAttention(r);
  const { from, to } = boundsOf(filter);
  if (open && filter.period !== 'dates') return true;
  const at = open || (filter.period ?? 'today') !== 'today' ? r.createdAt : r.updatedAt;
  return (!from || Date.parse(at) >= Date.parse(from)) && (!to || Date.parse(at) < Date.parse(to));
}

// A whole token, its last four characters as they are shown, or the number.
function names(r, text) {
  const wanted = text.toLowerCase();
  const token = r.idToken.idToken.toLowerCase();
  return token === wanted || String(r.id) === wanted || (wanted.length === 4 && token.endsWith(wanted));
}

function ofState(r, state) {
  if (!state) return true;
  if (state === 'live') return isLive(r);
  if (state === 'attention') return needsAttention(r);
  return state === 'ended' ? !isLive(r) && !needsAttention(r) : r.status === state;
}

/** The controls: `{el, stations(), reset(filter)}`; `changed(filter)` is told. */
export function filterBar(filter, changed) {
  const search = h('input', { type: 'search', value: filter.token ?? '', placeholder: t('reservations.search'), autocomplete: 'off', spellcheck: 'false', aria: { label: t('reservations.search') } });
  const kinds = h('div', { class: 'seg', role: 'group', aria: { label: t('reservations.stateGroup') } }, KINDS.map((kind) => h('button', { type: 'button', data: { kind }, on: { click: () => { state.value = ''; chosen = kind; told(); } } }, kind === 'attention' && icon('unconfirmed'), t(`reservations.kinds.${kind || 'all'}`))));
  const state = h('select', { aria: { label: t('reservations.stateGroup') } }, h('option', { value: '' }, t('reservations.anyState')), STATES.map((one) => h('option', { value: one }, t(`words.${one}`))));
  const station = h('select', { aria: { label: t('reservations.station') } });
  const period = h('select', { aria: { label: t('reservations.period') } }, PERIODS.map((one) => h('option', { value: one }, t(`reservations.periods.${one}`))));
  const from = h('input', { type: 'date', aria: { label: t('reservations.from') } });
  const to = h('input', { type: 'date', aria: { label: t('reservations.to') } });
  const days = h('span', { class: 'days' }, from, '–', to);
  const el = h('div', { class: 'filters', role: 'search' }, h('div', { class: 'search' }, icon('search'), search), kinds, ...[state, station, period].map((one) => h('span', { class: 'select' }, one, icon('chevron'))), days);
  let chosen = '';
  let typing;
  search.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(told, TYPING_MS); });
  for (const one of [state, station, period, from, to]) one.addEventListener('change', told);
  set(filter);
  return { el, stations: () => listStations(station, station.value), reset: (next) => { set(next); told(); } };

  function set(next) {
    chosen = KINDS.includes(next.state) ? next.state : '';
    search.value = next.token ?? '';
    state.value = STATES.includes(next.state) ? next.state : '';
    listStations(station, next.station ?? '');
    period.value = next.period ?? 'today';
    from.value = next.from ?? '';
    to.value = next.to ?? '';
    show();
  }

  function told() {
    clearTimeout(typing);
    show();
    const days = period.value === 'dates' ? { from: from.value, to: to.value } : {};
    const next = { state: state.value || chosen, station: station.value, token: search.value.trim(), period: period.value, ...days };
    changed(Object.fromEntries(Object.entries(next).filter(([, value]) => value)));
  }

  function show() {
    for (const one of kinds.children) one.setAttribute('aria-pressed', String(!state.value && one.dataset.kind === chosen));
    days.hidden = period.value !== 'dates';
  }
}

// A station of the address that is not known (yet) can still be the chosen one.
function listStations(select, wanted) {
  const ids = [...stations.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  if (wanted && !ids.includes(wanted)) ids.push(wanted);
  const items = [{ id: '', name: t('reservations.allStations') }, ...ids.map((id) => ({ id, name: id }))];
  keyed(select, items, (one) => one.id, (one) => h('option', { value: one.id }, one.name));
  if (select.value !== wanted) select.value = wanted;
}
