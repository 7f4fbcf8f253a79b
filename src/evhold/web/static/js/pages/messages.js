// A station's OCPP messages as they come: polled each second while somebody looks.
import { get, query } from '../api.js';
import { everySecond } from '../clock.js';
import { fill, h, say } from '../dom.js';
import { number, time } from '../format.js';
import { icon } from '../icons.js';
import { link, on } from '../store.js';
import { t } from '../text.js';

const KEPT = 300;
const FIRST = 100;
const PARTS = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b/g;

/** JSON on several lines, its names, texts and numbers told apart. */
export function pretty(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(PARTS)) {
    parts.push(text.slice(at, match.index));
    const kind = match[1] ? (match[2] ? 'k' : 'v') : 'n';
    parts.push(h('span', { class: kind }, match[1] ?? match[0]), match[2] ?? '');
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)];
}

/** What a frame is: {kind: call|result|error|other, id, action, brief}. */
export function read(frame) {
  if (!Array.isArray(frame)) return { kind: 'other', id: null, action: null, brief: '' };
  const [type, id] = frame;
  if (type === 2) return { kind: 'call', id, action: String(frame[2]), brief: briefOf(frame[3]) };
  if (type === 3) return { kind: 'result', id, action: null, brief: briefOf(frame[2]) };
  if (type === 4) return { kind: 'error', id, action: null, brief: String(frame[2]) };
  return { kind: 'other', id, action: null, brief: '' };
}

function briefOf(payload) {
  const found = payload?.connectorStatus ?? payload?.eventType ?? payload?.reservationUpdateStatus ?? payload?.status ?? payload?.idTokenInfo?.status;
  return typeof found === 'string' ? found : '';
}

/** The panel of a station's messages. */
export function messagesPanel(stationId, { signal }) {
  const view = { stationId, rows: [], calls: new Map(), last: null, action: '', paused: false, busy: false, fresh: false };
  view.list = h('ol', { class: 'msgs' });
  view.note = h('p', { class: 'small soft end', aria: { live: 'off' } });
  view.pick = h('select', {
    aria: { label: t('station.filterAction') },
    on: {
      change: () => {
        view.action = view.pick.value;
        draw(view);
      },
    },
  });
  view.pause = h('button', { class: 'btn', type: 'button', aria: { pressed: 'false' }, on: { click: () => pause(view) } }, icon('pause'), t('station.pause'));
  fillActions(view);
  const again = () => poll(view, signal);
  everySecond(again, { signal });
  // A server that was started anew counts its messages anew.
  on(
    'link',
    () => {
      if (link.state === 'live') view.last = null;
    },
    { signal },
  );
  again();
  return h(
    'section',
    { class: 'panel messages', aria: { labelledby: 'messages-h' } },
    h('header', null, h('h2', { id: 'messages-h' }, t('station.messages')), view.note),
    h(
      'div',
      { class: 'tools' },
      h('span', { class: 'select' }, view.pick, icon('chevron')),
      h('p', { class: 'legend-way note soft', aria: { hidden: 'true' } }, way('out'), t('station.toStation'), way('in'), t('station.fromStation')),
      view.pause,
    ),
    h('div', { class: 'scroll' }, view.list),
  );
}

function pause(view) {
  view.paused = !view.paused;
  view.pause.setAttribute('aria-pressed', String(view.paused));
  fill(view.pause, icon(view.paused ? 'play' : 'pause'), t(view.paused ? 'station.resume' : 'station.pause'));
  tell(view);
}

async function poll(view, signal) {
  if (view.busy || view.paused || signal.aborted) return;
  view.busy = true;
  try {
    const path = `/stations/${encodeURIComponent(view.stationId)}/messages`;
    const anew = view.last === null;
    const found = await get(path + query(anew ? { limit: FIRST } : { after: view.last, limit: 500 }), { signal });
    if (signal.aborted) return;
    if (anew) Object.assign(view, { rows: [], calls: new Map() });
    take(
      view,
      found.sort((a, b) => a.number - b.number),
      anew,
    );
    view.failed = null;
  } catch (error) {
    if (signal.aborted) return;
    view.failed = error;
  } finally {
    view.busy = false;
  }
  tell(view);
}

function take(view, found, anew) {
  const known = view.calls.size;
  for (const one of found) {
    const told = read(one.frame);
    // An answer is of the call that went the other way.
    const asker = told.kind === 'call' ? one.direction : one.direction === 'in' ? 'out' : 'in';
    const key = `${asker} ${told.id}`;
    if (told.kind === 'call') view.calls.set(key, { action: told.action, at: Date.parse(one.at) });
    const asked = view.calls.get(key);
    const row = { ...one, ...told, action: told.action ?? asked?.action ?? null, took: told.kind === 'call' || !asked ? null : Date.parse(one.at) - asked.at };
    view.rows.unshift(row);
    row.el = line(row, !anew);
  }
  view.last = found.at(-1)?.number ?? view.last ?? 0;
  view.rows.length = Math.min(view.rows.length, KEPT);
  if (view.calls.size > 4 * KEPT) view.calls = new Map([...view.calls].slice(-KEPT));
  if (found.length || anew) {
    if (view.calls.size !== known) fillActions(view);
    draw(view);
  }
}

function fillActions(view) {
  const actions = [...new Set(view.rows.map((one) => one.action).filter(Boolean))].sort();
  if (view.action && !actions.includes(view.action)) actions.push(view.action);
  if (actions.join() === view.pick.dataset.actions) return;
  view.pick.dataset.actions = actions.join();
  fill(
    view.pick,
    h('option', { value: '' }, t('station.everyAction')),
    actions.map((one) => h('option', { value: one }, one)),
  );
  view.pick.value = view.action;
}

function draw(view) {
  const shown = view.rows.filter((one) => !view.action || one.action === view.action);
  const wanted = new Set(shown.map((one) => one.el));
  for (const el of [...view.list.children]) if (!wanted.has(el)) el.remove();
  let at = view.list.firstElementChild;
  for (const { el } of shown) {
    if (el === at) at = at.nextElementSibling;
    else view.list.insertBefore(el, at);
  }
  if (!shown.length) fill(view.list, h('li', { class: 'nothing soft' }, t(view.rows.length ? 'station.noSuchMessages' : 'station.noMessages')));
}

function tell(view) {
  const words = view.failed ? t('station.messagesFailed') : view.paused ? t('station.paused') : t('station.polling', { n: number(view.rows.length) });
  say(view.note, words);
}

const way = (direction, words) => h('span', { class: `way ${direction}`, title: words }, icon('arrow'), words ? h('span', { class: 'sr' }, words) : null);

function line(row, fresh) {
  const inward = row.direction === 'in';
  const name = row.action ?? t('station.unknownFrame');
  const kind = row.kind === 'call' || row.kind === 'other' ? '' : t(`station.frame.${row.kind}`);
  const took = row.took === null ? '' : t('station.after', { n: number(row.took) });
  const details = h(
    'details',
    null,
    h(
      'summary',
      null,
      h('time', { datetime: row.at }, time(row.at, { ms: true })),
      way(row.direction, t(inward ? 'station.fromStation' : 'station.toStation')),
      h(
        'span',
        { class: 'what' },
        h('b', { class: row.kind === 'error' ? 's t-fault' : '' }, name),
        ' ',
        h('span', { class: 'soft' }, [kind, row.brief].filter(Boolean).join(' ')),
        ' ',
        h('span', { class: 'quiet note' }, took),
      ),
    ),
  );
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(frame(row, name));
  });
  return h('li', { class: fresh ? 'flash' : '', on: { animationend: (event) => event.currentTarget.classList.remove('flash') } }, details);
}

function frame(row, name) {
  const copy = h(
    'button',
    {
      class: 'btn slim plain',
      type: 'button',
      aria: { label: t('station.copyNamed', { name }) },
      on: {
        click: () =>
          navigator.clipboard?.writeText(JSON.stringify(row.frame, null, 2)).then(
            () => say(copy, t('words.copied')),
            () => {},
          ),
      },
    },
    t('words.copy'),
  );
  const head = t(row.direction === 'in' ? 'station.fromStation' : 'station.toStation');
  return h(
    'div',
    { class: 'json' },
    h('header', null, h('span', null, head), row.id ? h('span', null, t('station.messageId', { id: row.id })) : null, copy),
    h('pre', { tabindex: '0', role: 'region', aria: { label: t('station.jsonOf', { name }) } }, pretty(row.frame)),
  );
}
