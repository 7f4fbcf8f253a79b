// Keeps the store up: everything is read once the event stream has begun, then events are applied; a lost stream resumes where it broke off.
import { ApiError, auth, get, list, query } from './api.js';
import { now } from './clock.js';
import { events } from './sse.js';
import * as store from './store.js';

const DAY = 24 * 3600_000;
const WAITS_MS = [1000, 2000, 4000, 8000, 15_000];
const REREAD_MS = 120_000;
const MANY = 12;
const NAMES = ['reservation.*', 'connector.status', 'station.*', 'order.due'];

let run = null;
let lastId;
let wake = () => {};
let waiting = null; // events that come while everything is being read
let reread;

/** Begins to follow; ends with `stop`. */
export function start() {
  stop();
  run = new AbortController();
  lastId = undefined;
  follow(run.signal);
  reread = setInterval(() => document.hidden || store.link.state !== 'live' || readStations().catch(() => {}), REREAD_MS);
}

/** Stops following, as nobody is signed in. */
export function stop() {
  clearInterval(reread);
  run?.abort();
  run = null;
}

/** Tries again now, not at the planned time. */
export function tryNow() {
  wake();
}

addEventListener('online', tryNow);
document.addEventListener('visibilitychange', () => document.hidden || tryNow());

async function follow(signal) {
  store.setLink('connecting');
  for (let failed = 0; !signal.aborted; failed += 1) {
    try {
      for await (const told of events(`/api/v1/events${query({ name: NAMES })}`, { lastId, signal })) {
        if (told === null) await begun(signal);
        else take(told);
        failed = -1;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return auth.lost();
      // Another database, or too old a number: begin anew.
      if (error instanceof ApiError && error.status === 400) lastId = undefined;
    }
    if (signal.aborted) return;
    await pause(WAITS_MS[Math.min(Math.max(failed, 0), WAITS_MS.length - 1)], signal);
  }
}

async function begun(signal) {
  if (lastId === undefined || !store.loaded) await readAll(signal);
  store.setLink('live');
}

function pause(ms, signal) {
  store.setLink('lost', { next: now() + ms });
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    wake = () => {
      clearTimeout(timer);
      store.setLink('lost', { next: now() });
      done();
    };
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Reads everything anew. Events that come meanwhile are applied after it, in their order. */
export async function readAll(signal) {
  waiting ??= [];
  try {
    const live = ['Pending', 'Unconfirmed', 'Active'];
    const [stations, reservations] = await Promise.all([
      list('/stations', { signal }),
      list(`/reservations${query({ status: live, limit: 500 })}`, { signal }),
    ]);
    store.replaceAll(stations, reservations);
  } finally {
    const came = waiting;
    waiting = null;
    for (const told of came ?? []) apply(told);
  }
  readEnded(signal).catch(() => {});
}

async function readEnded(signal) {
  const from = new Date(now() - DAY).toISOString();
  for (const one of await list(`/reservations${query({ from, limit: 500 })}`, { pages: 4, signal })) store.put('reservation', one);
}

async function readStations() {
  const known = new Set(store.stations.keys());
  for (const one of await list('/stations')) {
    known.delete(one.id);
    const old = store.stations.get(one.id);
    if (!old || JSON.stringify(old) !== JSON.stringify(one)) store.put('station', one);
  }
  for (const id of known) store.drop('station', id);
}

function take(told) {
  if (told.id) lastId = told.id;
  if (waiting) waiting.push(told);
  else apply(told);
}

function apply({ name, data }) {
  if (name === 'gap') readAll(run?.signal).catch(() => {});
  else if (data.reservation) store.put('reservation', data.reservation);
  else if (name === 'connector.status') connector(data);
  // A wish to cancel, or its end, is no event of the reservation: it is read anew.
  else if (name === 'order.due') learnOf('reservation', data.reservationId);
  else if (name.startsWith('station.')) presence(data);
}

function connector(data) {
  const station = store.stations.get(data.stationId);
  if (!station) return learnOf('station', data.stationId);
  const evses = station.evses.map((one) => (one.id === data.evseId ? { ...one, connectors: [...one.connectors] } : one));
  let evse = evses.find((one) => one.id === data.evseId);
  if (!evse) {
    evses.push((evse = { id: data.evseId, connectors: [] }));
    evses.sort((a, b) => a.id - b.id);
  }
  const at = evse.connectors.findIndex((one) => one.id === data.connectorId);
  const told = { id: data.connectorId, status: data.status, since: data.since, type: data.type ?? evse.connectors[at]?.type ?? null };
  if (at < 0) evse.connectors.push(told);
  else evse.connectors[at] = told;
  store.put('station', { ...station, evses });
}

function presence(data) {
  const station = store.stations.get(data.stationId);
  if (station) store.put('station', { ...station, online: data.online, lastSeen: data.at });
  // Its model, EVSEs and variables may be others after a boot, and those come in no event.
  if (data.online || !station) learnOf('station', data.stationId);
}

const asked = { station: new Set(), reservation: new Set() };
const asking = {};

// Gathered for a moment: after a restart of the server all stations come at once.
function learnOf(kind, id) {
  asked[kind].add(id);
  asking[kind] ??= setTimeout(async () => {
    asking[kind] = undefined;
    const ids = [...asked[kind]];
    asked[kind].clear();
    if (kind === 'station' && ids.length > MANY) return readStations().catch(() => {});
    for (const one of ids) {
      const read = get(`/${kind}s/${encodeURIComponent(one)}`, { signal: run?.signal });
      await read.then((found) => store.put(kind, found)).catch(() => {});
    }
  }, kind === 'station' ? 1500 : 150);
}
