// What the page knows, kept up by live.js; whoever shows it listens, and is told once a frame.
import { now } from './clock.js';

const DAY = 24 * 3600_000;
const LIVE = new Set(['Pending', 'Unconfirmed', 'Active']);

/** Map(id -> station), as the API tells it. */
export const stations = new Map();

/** Map(id -> reservation): all live ones, and those that ended lately or were opened. */
export const reservations = new Map();

/** Who is signed in: {role, name, csrf, version}, or null. */
export let session = null;

/** The connection: {state: connecting|live|lost, since, next} in milliseconds of the server's clock. */
export const link = { state: 'connecting', since: null, next: null };

/** Whether everything was read once. */
export let loaded = false;

const listeners = new Map();
let dirty = new Map();
let planned = 0;
let grouped = null; // the holds by station, until one changes

/** Whether who is signed in may reserve, move and cancel. */
export function canOrder() {
  return ['admin', 'operator', 'driver'].includes(session?.role);
}

/** Whether who is signed in may change stations and tokens. */
export function canOperate() {
  return ['admin', 'operator'].includes(session?.role);
}

/** Whether the reservation is not over yet. */
export function isLive(reservation) {
  return LIVE.has(reservation.status);
}

/** Whether somebody has to look at it: nobody knows what the station holds, or it was not yet told that it shall hold no more. */
export function needsAttention(reservation) {
  return reservation.status === 'Unconfirmed' || hasWish(reservation);
}

/** Whether a cancel waits for the station. */
export function hasWish(reservation) {
  return reservation.cancelRequestedAt != null && (isLive(reservation) || (reservation.status === 'Used' && !reservation.proven));
}

/** Calls `fn(ids)` when the topic changed (`ids`: a Set, or null where all may have), until `signal` ends. */
export function on(topic, fn, { signal } = {}) {
  if (signal?.aborted) return;
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(fn);
  signal?.addEventListener('abort', () => listeners.get(topic).delete(fn), { once: true });
}

/** Tells the topic's listeners in the next frame. */
export function tell(topic, id = null) {
  const ids = dirty.get(topic);
  if (id === null) dirty.set(topic, null);
  else if (ids !== null) dirty.set(topic, (ids ?? new Set()).add(id));
  planned ||= requestAnimationFrame(flush);
}

function flush() {
  planned = 0;
  const now = dirty;
  dirty = new Map();
  for (const [topic, ids] of now) {
    for (const fn of [...(listeners.get(topic) ?? [])]) {
      try {
        fn(ids);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** Keeps a `station` or a `reservation`; an older version of a reservation is passed over. Returns what is kept. */
export function put(kind, object) {
  if (kind === 'reservation') {
    const known = reservations.get(object.id);
    if (known && known.version > object.version) return known;
    grouped = null;
  }
  (kind === 'station' ? stations : reservations).set(object.id, object);
  tell(`${kind}s`, object.id);
  tell(`${kind}:${object.id}`, object.id);
  return object;
}

/** Forgets one. */
export function drop(kind, id) {
  grouped = null;
  (kind === 'station' ? stations : reservations).delete(id);
  tell(`${kind}s`, id);
  tell(`${kind}:${id}`, id);
}

/** Everything was read anew: what is gone is forgotten, and all listeners are told. */
export function replaceAll(allStations, live) {
  stations.clear();
  for (const one of allStations) stations.set(one.id, one);
  for (const [id, one] of reservations) if (isLive(one) || Date.parse(one.updatedAt) < now() - DAY) reservations.delete(id);
  for (const one of live) reservations.set(one.id, one);
  loaded = true;
  grouped = null;
  for (const topic of listeners.keys()) tell(topic);
}

/** Who is signed in now; null forgets everything. */
export function signIn(who) {
  session = who;
  if (!who) {
    stations.clear();
    reservations.clear();
    grouped = null;
    loaded = false;
  }
  tell('session');
}

/** The connection's state has changed. */
export function setLink(state, { next = null } = {}) {
  if (link.state !== state) link.since = now();
  Object.assign(link, { state, next });
  tell('link');
}

/** The reservations that hold something at this station now, those of an EVSE or (with null) of none. */
export function holdsOf(stationId) {
  return byStation().get(stationId) ?? [];
}

function byStation() {
  if (grouped) return grouped;
  grouped = new Map();
  for (const one of reservations.values()) {
    if (!isLive(one) && !hasWish(one)) continue;
    if (!grouped.has(one.stationId)) grouped.set(one.stationId, []);
    grouped.get(one.stationId).push(one);
  }
  return grouped;
}
