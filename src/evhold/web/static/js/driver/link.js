// What a driver's link leads to: read, changed, and followed as it happens.
import { ApiError, del, get, patch } from '../api.js';
import { now } from '../clock.js';
import { events } from '../sse.js';

const WAITS_MS = [1000, 2000, 4000, 8000, 15_000];
const DEAD = new Set(['link-unknown', 'link-expired', 'not-found']);
const name = location.pathname.replace(/^\/d\//, '').replace(/\/$/, '');
const base = `/api/v1/driver/${name}`;
const options = { base };

/** What is known: `reservation`, `station`, `diesAt`; `dead` names why the link leads nowhere; `lost` is {since, next} while nothing comes. */
export const view = { reservation: null, station: null, diesAt: null, dead: null, lost: null };

let tell = () => {};
let wake = () => {};

/** Follows the reservation; `changed()` is called whenever `view` may be another. */
export async function follow(changed) {
  tell = changed;
  let lastId;
  for (let failed = 0; !view.dead; failed += 1) {
    try {
      for await (const told of events(`${base}/events`, { lastId })) {
        if (told?.id) lastId = told.id;
        if (told === null || told.name === 'gap' || told.data.reservation) await read();
        else heard(told);
        if (view.dead) return;
        failed = -1;
      }
    } catch (error) {
      if (!(error instanceof ApiError) && error.name !== 'AbortError' && !(error instanceof TypeError)) throw error;
      if (died(error)) return;
      if (error.status === 400) lastId = undefined;
    }
    if (!view.dead) await pause(WAITS_MS[Math.min(Math.max(failed, 0), WAITS_MS.length - 1)]);
  }
}

/** Tries again now. */
export const tryNow = () => wake();
addEventListener('online', tryNow);
document.addEventListener('visibilitychange', () => document.hidden || wake());

function pause(ms) {
  view.lost = { since: view.lost?.since ?? now(), next: now() + ms };
  tell();
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    wake = () => {
      clearTimeout(timer);
      done();
    };
  });
}

async function read() {
  try {
    const { reservation, station, diesAt } = await get('', options);
    Object.assign(view, { station, diesAt, lost: null });
    keep(reservation);
  } catch (error) {
    if (!died(error)) throw error;
  }
  tell();
}

function died(error) {
  if (!DEAD.has(error.type)) return false;
  view.dead = error.type;
  tell();
  return true;
}

function keep(reservation) {
  if (!view.reservation || view.reservation.version <= reservation.version) view.reservation = reservation;
}

function heard({ name: event, data }) {
  if (event === 'connector.status') {
    const evse = view.station.evses.find((one) => one.id === data.evseId);
    const connector = evse?.connectors.find((one) => one.id === data.connectorId);
    if (connector) Object.assign(connector, { status: data.status, since: data.since });
    else read().catch(() => {});
  } else if (event.startsWith('station.')) view.station.online = data.online;
  tell();
}

/** The station was asked to hold it until then. Throws ApiError. */
export async function extend(minutes) {
  const until = new Date(Math.max(Date.parse(view.reservation.expiryDateTime), now()) + minutes * 60_000).toISOString();
  return ordered(() => patch('', { expiryDateTime: until }, {}, options));
}

/** The reservation is canceled, or will be. Throws ApiError. */
export async function cancel() {
  return ordered(() => del('', {}, options));
}

async function ordered(order) {
  try {
    const reservation = await order();
    keep(reservation);
    // When the link ends is told with the whole.
    read().catch(() => {});
    return view.reservation;
  } catch (error) {
    if (!died(error) && error.status > 0) read().catch(() => {});
    throw error;
  } finally {
    tell();
  }
}
