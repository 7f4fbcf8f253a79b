// What an EVSE is doing, out of what its connectors say, what is held there, and whether its station can be heard.
import { OF_CONNECTOR, TONE_OF_CONNECTOR } from './icons.js';
import * as store from './store.js';

const ORDER = ['Occupied', 'Reserved', 'Available', 'Faulted', 'Unavailable'];
const order = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Compares ids as people count: NG-2 before NG-10. */
export const byId = (a, b) => order.compare(a.id, b.id) || (a.id < b.id ? -1 : 1);

/** The status that speaks for the EVSE: Available when one can be used, null when nothing was told yet. */
export function statusOf(evse) {
  const told = new Set(evse.connectors.map((one) => one.status));
  return ORDER.find((status) => told.has(status)) ?? null;
}

/** Where a hold is: the EVSE that is named, or that was used. */
export function placeOf(reservation) {
  return reservation.usedEvseId ?? reservation.evseId;
}

/** The word, the shape and the tone of a hold. */
export function faceOfHold(hold) {
  if (store.hasWish(hold)) return { word: 'Wish', shape: 'wish', tone: 'doubt' };
  if (hold.status === 'Unconfirmed') return { word: 'Unconfirmed', shape: 'unconfirmed', tone: 'doubt' };
  if (hold.status === 'Pending') return { word: 'Pending', shape: 'pending', tone: 'held' };
  return { word: 'Reserved', shape: 'held', tone: 'held' };
}

/**
 * An EVSE as it is shown: {word, shape, tone, status, hold, states, since}. `states` are the filters that it falls under.
 * A hold speaks first, unless a connector says what matters more: that a car is there, or that it is broken.
 */
export function faceOf(station, evse, hold) {
  const status = statusOf(evse);
  const since = evse.connectors.find((one) => one.status === status)?.since ?? null;
  const states = [station.online ? (hold ? 'Reserved' : (status ?? 'Unknown')) : 'Offline'];
  if (hold && !station.online) states.push('Reserved');
  if (hold && ['Faulted', 'Unavailable', 'Occupied'].includes(status) && station.online) states.push(status);
  const base = { status, hold, since, states };
  if (hold && !(station.online && ['Faulted', 'Unavailable', 'Occupied'].includes(status))) return { ...base, ...faceOfHold(hold) };
  if (!station.online) return { ...base, word: 'Offline', shape: 'offline', tone: 'over' };
  if (!status) return { ...base, word: 'unknown', shape: 'unknown', tone: 'over' };
  return { ...base, word: status, shape: OF_CONNECTOR[status] ?? 'unknown', tone: TONE_OF_CONNECTOR[status] ?? 'over' };
}

/** Whether its variables let a station reserve; what is unknown does not speak against it. */
export function takesReservations(station) {
  return station.reservations.available !== false && station.reservations.enabled !== false;
}

/** Whether an order for this EVSE has a chance now. */
export function isFree(station, evse) {
  if (!station.online || !takesReservations(station) || statusOf(evse) !== 'Available') return false;
  return !store.holdsOf(station.id).some((one) => placeOf(one) === evse.id);
}

/** Connector types of an EVSE, each once. */
export function typesOf(evse) {
  return [...new Set(evse.connectors.map((one) => one.type).filter(Boolean))];
}

/** Free EVSEs as [{station, evse, near}]: of the same type here, then at the same place, then any here, then further away. */
export function freeEvses({ station, evseId, types = [] }) {
  const found = [];
  for (const one of store.stations.values()) {
    for (const evse of one.evses) {
      if (!isFree(one, evse) || (one.id === station?.id && evse.id === evseId)) continue;
      const alike = !types.length || typesOf(evse).some((type) => types.includes(type));
      const here = one.id === station?.id;
      const near = one.location?.name != null && one.location.name === station?.location?.name;
      found.push({ station: one, evse, near: here || near, rank: alike ? (here ? 0 : near ? 1 : 3) : here ? 2 : near ? 4 : 5 });
    }
  }
  return found.sort((a, b) => a.rank - b.rank || byId(a.station, b.station) || a.evse.id - b.evse.id);
}
