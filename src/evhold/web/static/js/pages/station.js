// A station: what it holds, what it can, what it says, and what it may be told.
import { get } from '../api.js';
import { everySecond, now } from '../clock.js';
import { fill, h } from '../dom.js';
import { relative, when } from '../format.js';
import { icon } from '../icons.js';
import { canOperate, canOrder, on, put, session, stations } from '../store.js';
import { t } from '../text.js';
import { callPanel } from './call.js';
import { capabilitiesPanel } from './capabilities.js';
import { messagesPanel } from './messages.js';
import { securityPanel } from './security.js';
import { drawEvses, drawHolds, openReserve, tickRows } from './station-rows.js';

/** The page's name. */
export function title({ id }) {
  return t('station.title', { id });
}

/** The page is drawn in `root`, and follows the store until `signal` ends. */
export async function show(root, { id }, { signal }) {
  let station = [...stations.values()].find((one) => one.id.toLowerCase() === id.toLowerCase());
  if (!station) fill(root, back(), bones());
  try {
    station = put('station', await get(`/stations/${encodeURIComponent(id)}`, { signal }));
  } catch (error) {
    if (error.status === 404) return void fill(root, back(), unknown(id));
    if (!station) throw error;
  }
  if (signal.aborted) return;
  const view = build(root, station, signal);
  const follow = () => refresh(view, stations.get(station.id) ?? view.station);
  on('stations', (ids) => (ids === null || ids.has(station.id)) && follow(), { signal });
  on('reservations', follow, { signal });
  everySecond(() => tick(root, view), { signal });
  follow();
  tick(root, view);
}

function build(root, station, signal) {
  const view = {
    station,
    evses: h('ul', { class: 'bays' }),
    holds: h('ul', { class: 'holds' }),
    head: h('section', { class: 'panel hero st-hero', aria: { label: t('station.state') } }),
    free: h('span', { class: 'small soft end' }),
    details: h('dl', { class: 'kv pad' }),
    noHolds: h('p', { class: 'soft pad' }),
    capabilities: capabilitiesPanel(station.id, { signal }),
  };
  const look = session?.role !== 'driver';
  fill(
    root,
    back(),
    view.head,
    h(
      'div',
      { class: 'about' },
      h('div', { class: 'stack holding' }, panel('evses', view.free, view.evses), panel('holds', null, view.holds, view.noHolds)),
      h('div', { class: 'stack side' }, view.capabilities.el, panel('details', null, view.details)),
      look ? talking(station, signal) : null,
    ),
  );
  return view;
}

function talking({ id }, signal) {
  const call = canOperate() ? callPanel(id, { signal }) : null;
  return h('div', { class: 'stack talking' }, messagesPanel(id, { signal }), call, securityPanel(id, { signal }));
}

function panel(key, end, ...content) {
  return h('section', { class: 'panel', aria: { labelledby: `${key}-h` } }, h('header', null, h('h2', { id: `${key}-h` }, t(`station.${key}`)), end), content);
}

function back() {
  return h('a', { class: 'crumb', href: '/' }, icon('back'), t('shell.stations'));
}

function refresh(view, station) {
  view.station = station;
  drawHead(view.head, station);
  drawEvses(view, station);
  drawHolds(view, station);
  drawDetails(view.details, station);
  view.capabilities.show(station);
}

// --- the head

function drawHead(head, station) {
  const key = JSON.stringify([station.online, station.lastSeen, station.location, station.vendorName, station.model, station.registration]);
  if (head.dataset.key === key) return;
  head.dataset.key = key;
  const made = [station.vendorName, station.model].filter(Boolean).join(' ');
  const state = station.online ? t('words.online') : station.lastSeen ? t('station.offlineSince', { at: when(station.lastSeen) }) : t('station.neverSeen');
  fill(
    head,
    h(
      'div',
      { class: 'say' },
      h('span', { class: 'mark' }, icon('bolt')),
      h(
        'div',
        null,
        h('p', { class: 'soft' }, station.location?.name ?? t('station.noPlace')),
        h('h1', null, station.id),
        made ? h('p', { class: 'small soft' }, made) : null,
      ),
    ),
    h(
      'div',
      { class: 'clock' },
      h('span', { class: `s ${station.online ? 't-free' : 't-over'}` }, icon(station.online ? 'live' : 'offline'), state),
      h('p', { class: 'small soft' }, whatNow(station)),
    ),
    h(
      'div',
      { class: 'acts' },
      directions(station),
      canOrder()
        ? h('button', { class: 'btn main', type: 'button', on: { click: () => openReserve({ stationId: station.id }) } }, icon('held'), t('station.reserve'))
        : null,
    ),
  );
}

function whatNow(station) {
  if (station.registration !== 'Accepted') return t('station.registered', { how: station.registration });
  if (station.online) return t('station.canBeAsked');
  return t(station.lastSeen ? 'station.cannotBeAsked' : 'station.pointIt', { id: station.id });
}

/** A link to the place on a map; a phone opens its own. Null where the place is not known. */
function directions({ location }) {
  if (location?.latitude == null || location?.longitude == null) return null;
  const place = `${location.latitude},${location.longitude}`;
  const href = /Android/.test(navigator.userAgent)
    ? `geo:${place}?q=${place}(${encodeURIComponent(location.name)})`
    : `https://www.openstreetmap.org/?mlat=${location.latitude}&mlon=${location.longitude}#map=18/${location.latitude}/${location.longitude}`;
  return h('a', { class: 'btn', href, target: '_blank', rel: 'noreferrer noopener' }, icon('pin'), t('station.directions'));
}

// --- details

function drawDetails(list, station) {
  const place = station.location;
  const rows = [
    ['place', place?.name],
    ['position', place?.latitude != null && place?.longitude != null ? `${place.latitude}, ${place.longitude}` : null],
    ['vendor', station.vendorName],
    ['model', station.model],
    ['serial', station.serialNumber],
    ['firmware', station.firmwareVersion],
    ['ocpp', station.ocppVersion],
    ['profile', station.securityProfile],
    ['registration', station.registration],
    ['restore', t(station.restoreAfterBoot ? 'station.yes' : 'station.no')],
    ['lastSeen', station.online ? t('words.online') : station.lastSeen ? `${when(station.lastSeen)} (${relative(station.lastSeen)})` : t('station.never')],
  ];
  const key = JSON.stringify(rows);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  fill(
    list,
    rows.map(([name, value]) => [
      h('dt', null, t(`station.detail.${name}`)),
      h('dd', { class: value == null ? 'quiet' : '' }, value == null ? t('station.notTold') : String(value)),
    ]),
  );
}

// --- each second

function tick(root, view) {
  tickRows(root);
  if (!view.station.online && now() % 60_000 < 1000) drawDetails(view.details, view.station);
}

// --- nothing there

function unknown(id) {
  return h(
    'section',
    { class: 'panel empty' },
    icon('unknown'),
    h('h1', null, t('station.unknown', { id })),
    h('p', null, t('station.unknownMore')),
    h('pre', { tabindex: '0' }, h('code', null, `evhold station add ${id}`)),
  );
}

function bones() {
  return h(
    'div',
    { class: 'panel pad stack', aria: { busy: 'true' } },
    h('span', { class: 'bone a' }),
    h('span', { class: 'bone b' }),
    h('span', { class: 'bone c' }),
    h('span', { class: 'bone b' }),
  );
}
