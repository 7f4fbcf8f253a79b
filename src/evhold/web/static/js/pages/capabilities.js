// What a station says of its reservations (ReservationCtrlr): read anew, and switched on or off.
import { post, put as putCall } from '../api.js';
import { confirmDialog } from '../dialog.js';
import { fill, h } from '../dom.js';
import { number } from '../format.js';
import { icon } from '../icons.js';
import { canOperate, holdsOf, put } from '../store.js';
import { t } from '../text.js';

const VARIABLES = [
  ['available', 'Available'],
  ['enabled', 'Enabled'],
  ['nonEvseSpecific', 'NonEvseSpecific'],
];
const LOOKS = { true: ['used', 't-free'], false: ['unavailable', 't-doubt'], null: ['unknown', 't-over'] };

/** The panel, and `show(station)` to draw what is known. */
export function capabilitiesPanel(stationId, { signal }) {
  const view = { stationId, signal, busy: false, station: null, list: h('ul', { class: 'caps' }), answer: h('div', { class: 'caps-answer', role: 'status' }) };
  view.ask = canOperate()
    ? h('button', { class: 'btn slim end', type: 'button', on: { click: () => read(view) } }, icon('refresh'), t('station.refresh'))
    : null;
  const el = h(
    'section',
    { class: 'panel', aria: { labelledby: 'caps-h' } },
    h('header', null, h('h2', { id: 'caps-h' }, t('station.capabilities')), view.ask),
    view.list,
    view.answer,
  );
  return { el, show: (station) => draw(view, station) };
}

function draw(view, station) {
  view.station = station;
  const key = JSON.stringify([station.reservations, view.busy]);
  if (view.list.dataset.key === key) return;
  view.list.dataset.key = key;
  fill(
    view.list,
    VARIABLES.map(([name, variable]) => row(view, { variable, value: station.reservations[name] })),
  );
}

function row(view, { variable, value }) {
  const [shape, tone] = LOOKS[String(value)];
  const word = value === null ? t('words.unknown') : t(value ? 'station.yes' : 'station.no');
  return h(
    'li',
    null,
    h('code', null, variable),
    h('span', { class: `s ${tone}` }, icon(shape), word),
    h('p', { class: 'small soft' }, t(`station.variable.${variable}.${value}`)),
    variable === 'Enabled' && canOperate()
      ? h(
          'div',
          { class: 'switch' },
          [true, false]
            .filter((one) => one !== value)
            .map((one) =>
              h(
                'button',
                { class: 'btn slim', type: 'button', disabled: view.busy, on: { click: () => turn(view, one) } },
                t(one ? 'station.turnOn' : 'station.turnOff'),
              ),
            ),
        )
      : null,
  );
}

function read(view) {
  return asked(
    view,
    () => post(`/stations/${encodeURIComponent(view.stationId)}/capabilities`),
    () => t('station.readAnew'),
  );
}

async function turn(view, enabled) {
  const live = holdsOf(view.stationId).length;
  if (
    !enabled &&
    live > 0 &&
    !(await confirmDialog({ head: t('station.turnOffSure'), text: t('station.turnOffMore', { n: live }), yes: t('station.turnOff'), no: t('station.leaveOn') }))
  )
    return;
  await asked(
    view,
    () => putCall(`/stations/${encodeURIComponent(view.stationId)}/capabilities`, { enabled }),
    () => t(enabled ? 'station.turnedOn' : 'station.turnedOff'),
  );
}

async function asked(view, order, words) {
  if (view.busy) return;
  busy(view, true);
  const start = performance.now();
  fill(
    view.answer,
    h('p', { class: 'small soft' }, t('station.asking', { id: view.stationId })),
    h('progress', { class: 'asking', aria: { label: t('station.asking', { id: view.stationId }) } }),
  );
  try {
    const station = await order();
    put('station', station);
    view.station = station;
    tell(view, 'used', 't-free', words(), t('station.accepted', { n: number(Math.round(performance.now() - start)) }));
  } catch (error) {
    const known = t(`station.failed.${error.type}`, { ...error.body, id: view.stationId });
    tell(view, 'failed', 't-fault', error.title || t('station.notSent'), known.startsWith('station.failed.') ? error.message : known);
  } finally {
    busy(view, false);
  }
}

function busy(view, yes) {
  view.busy = yes;
  if (view.ask) view.ask.disabled = yes;
  draw(view, view.station);
}

function tell(view, shape, tone, head, text) {
  fill(view.answer, h('p', { class: 'small' }, h('span', { class: `s ${tone}` }, icon(shape), head)), h('p', { class: 'small soft' }, text));
}
