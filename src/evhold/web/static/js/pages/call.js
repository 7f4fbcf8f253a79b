// A raw call: any action that a CSMS may send, filled in field by field or as JSON, with the station's answer.
import { get, post } from '../api.js';
import { confirmDialog } from '../dialog.js';
import { fill, h } from '../dom.js';
import { number } from '../format.js';
import { icon } from '../icons.js';
import { stations } from '../store.js';
import { t } from '../text.js';
import { field } from './fields.js';
import { pretty } from './messages.js';

/** The panel of raw calls; the schemas are asked for once it is there. */
export function callPanel(stationId, { signal }) {
  const view = { stationId, signal, calls: [], mode: 'form', form: null };
  view.pick = h('select', { id: 'call-action', disabled: true, on: { change: () => choose(view) } }, h('option', { value: '' }, t('station.loadingCalls')));
  view.modes = ['form', 'json'].map((mode) =>
    h('button', { type: 'button', aria: { pressed: String(mode === 'form') }, on: { click: () => turn(view, mode) } }, t(`station.mode.${mode}`)),
  );
  view.fields = h('fieldset', { class: 'call-fields', aria: { label: t('station.fields') } });
  view.json = h('textarea', { class: 'code', rows: '10', spellcheck: 'false', aria: { label: t('station.payload') }, hidden: true });
  view.wrong = h('p', { class: 'wrong t-fault', role: 'alert', hidden: true });
  view.send = h('button', { class: 'btn', type: 'submit', disabled: true }, icon('arrow'), t('station.send'));
  view.answer = h('div', { class: 'call-answer', role: 'status' });
  const form = h(
    'form',
    {
      class: 'pad stack',
      on: {
        submit: (event) => {
          event.preventDefault();
          send(view);
        },
      },
    },
    h(
      'div',
      { class: 'tools' },
      h(
        'div',
        { class: 'field' },
        h('label', { for: 'call-action' }, h('b', null, t('station.action'))),
        h('span', { class: 'select' }, view.pick, icon('chevron')),
      ),
      h('div', { class: 'seg', role: 'group', aria: { label: t('station.writeAs') } }, view.modes),
    ),
    view.fields,
    view.json,
    view.wrong,
    h('div', null, view.send),
    view.answer,
  );
  load(view);
  return h(
    'section',
    { class: 'panel call', aria: { labelledby: 'call-h' } },
    h('header', null, h('h2', { id: 'call-h' }, t('station.rawCall')), h('span', { class: 'small soft end' }, t('station.rawCallNote'))),
    form,
  );
}

async function load(view) {
  try {
    view.calls = await get('/calls', { signal: view.signal });
  } catch (error) {
    if (!view.signal.aborted) refuse(view, error.message);
    return;
  }
  view.calls.sort((a, b) => a.action.localeCompare(b.action));
  fill(
    view.pick,
    h('option', { value: '' }, t('station.pickAction')),
    view.calls.map((one) => h('option', { value: one.action }, one.action)),
  );
  view.pick.disabled = false;
}

const schemaOf = (view) => view.calls.find((one) => one.action === view.pick.value)?.schema;

function choose(view) {
  view.send.disabled = view.pick.value === '';
  view.wrong.hidden = true;
  fill(view.answer);
  build(view, undefined);
  view.json.value = '{}';
}

function build(view, value) {
  const schema = schemaOf(view);
  view.form = schema ? field('', schema, { root: schema, required: true, top: true, value }) : null;
  const bare = view.form && !view.form.el.querySelector('.field, .inner');
  fill(
    view.fields,
    view.form && schema.description ? h('p', { class: 'small soft' }, schema.description) : null,
    bare ? h('p', { class: 'soft' }, t('station.noFields')) : view.form?.el,
  );
}

/** From the fields to JSON and back, with what was filled in. */
function turn(view, mode) {
  if (mode === view.mode) return;
  const given = payloadOf(view);
  if (given === undefined) return;
  view.mode = mode;
  view.wrong.hidden = true;
  for (const [n, button] of view.modes.entries()) button.setAttribute('aria-pressed', String((n === 0) === (mode === 'form')));
  view.json.hidden = mode === 'form';
  // Disabled, or the browser would ask for what is required in fields that nobody sees.
  view.fields.hidden = view.fields.disabled = mode === 'json';
  if (mode === 'json') view.json.value = JSON.stringify(given, null, 2);
  else build(view, given);
}

function payloadOf(view) {
  try {
    return view.mode === 'json' ? JSON.parse(view.json.value.trim() || '{}') : (view.form?.read() ?? {});
  } catch (error) {
    refuse(view, t('station.badJson', { why: error.message }));
    return undefined;
  }
}

function refuse(view, text) {
  view.wrong.textContent = text;
  view.wrong.hidden = false;
}

async function send(view, { force = false } = {}) {
  const payload = payloadOf(view);
  if (payload === undefined) return;
  const action = view.pick.value;
  view.wrong.hidden = true;
  view.send.disabled = true;
  const bar = h('progress', { class: 'asking', aria: { label: t('station.asking', { id: view.stationId }) } });
  fill(view.answer, h('p', { class: 'soft' }, t('station.asking', { id: view.stationId })), bar);
  const start = performance.now();
  try {
    const answer = await post(`/stations/${encodeURIComponent(view.stationId)}/calls/${encodeURIComponent(action)}${force ? '?force=true' : ''}`, payload);
    answered(view, { action, ms: performance.now() - start, result: answer.result });
  } catch (error) {
    if (error.type === 'reservations-affected' && !force) await affected(view, error);
    else failed(view, error);
  } finally {
    view.send.disabled = view.pick.value === '';
  }
}

async function affected(view, error) {
  const ids = error.body.reservationIds ?? [];
  failed(view, error);
  const sure = await confirmDialog({
    head: t('station.affected', { n: ids.length }),
    text: t('station.affectedMore', { ids: ids.join(', ') }),
    yes: t('station.sendAnyway'),
    no: t('station.dontSend'),
  });
  if (sure) await send(view, { force: true });
}

function answered(view, { action, ms, result }) {
  const word = typeof result?.status === 'string' ? result.status : t('station.answered');
  fill(
    view.answer,
    h(
      'p',
      { class: 'told' },
      h('span', { class: `s ${word === 'Rejected' ? 't-doubt' : 't-free'}` }, icon(word === 'Rejected' ? 'refused' : 'used'), word),
      ' ',
      h('span', { class: 'soft' }, t('station.answerAfter', { action, n: number(Math.round(ms)) })),
    ),
    h('div', { class: 'json' }, h('pre', { tabindex: '0', role: 'region', aria: { label: t('station.jsonOf', { name: action }) } }, pretty(result))),
  );
}

function failed(view, error) {
  const seen = stations.get(view.stationId);
  const known = t(`station.failed.${error.type}`, { ...error.body, id: view.stationId, online: seen?.online });
  const text = known.startsWith('station.failed.') ? error.message : known;
  const errors = (error.body?.errors ?? []).map((one) => h('li', null, h('code', null, one.field), ': ', one.message));
  fill(
    view.answer,
    h('p', null, h('span', { class: 's t-fault' }, icon('failed'), error.title || t('station.notSent'))),
    h('p', { class: 'soft' }, text),
    errors.length ? h('ul', { class: 'small' }, errors) : null,
  );
}
