// A form made from a JSON schema: every field is named as the schema names it, and left out while it is empty.
import { h } from '../dom.js';
import { t } from '../text.js';
import { icon } from '../icons.js';

const MAX_REFS = 20;
// A description that says no more than the name of the type.
const TYPE_NAME = /^OCPP's (\w+)\.$/;
let made = 0;

/** The schema without references and without "or null": what a person fills in. */
export function plain(schema, root) {
  let found = schema ?? {};
  for (let n = 0; n < MAX_REFS; n += 1) {
    if (found.$ref) {
      const { $ref, ...own } = found;
      found = { ...lookUp(root, $ref), ...own };
      continue;
    }
    const options = (found.anyOf ?? found.oneOf)?.filter((one) => one.type !== 'null');
    if (options?.length !== 1) break;
    const { anyOf, oneOf, ...own } = found;
    found = { ...options[0], ...own };
  }
  return found;
}

function lookUp(root, ref) {
  return (
    ref
      .replace(/^#\//, '')
      .split('/')
      .reduce((at, part) => at?.[part.replace(/~1/g, '/').replace(/~0/g, '~')], root) ?? {}
  );
}

function kindOf(schema) {
  if (schema.enum) return 'choice';
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== 'null') : schema.type;
  if (type === 'object' && schema.properties) return 'object';
  return { array: 'array', boolean: 'boolean', integer: 'number', number: 'number', string: 'text' }[type] ?? 'json';
}

/** What a field may hold, in few words: "string, at most 36". */
export function hint(schema, required) {
  const kind = kindOf(schema);
  const named = TYPE_NAME.exec(schema.description ?? '')?.[1];
  const type = named ?? (schema.format === 'date-time' ? t('station.field.dateTime') : kind === 'choice' ? t('station.field.choice') : schema.type);
  const words = [type ?? 'JSON'];
  if (schema.maxLength) words.push(t('station.field.atMost', { n: schema.maxLength }));
  if (schema.minimum !== undefined) words.push(t('station.field.from', { n: schema.minimum }));
  if (schema.maximum !== undefined) words.push(t('station.field.upTo', { n: schema.maximum }));
  if (required) words.push(t('station.field.required'));
  return words.join(', ');
}

/** A field: `{el, read}`; `read()` is undefined where it is left out, and throws SyntaxError for unreadable JSON. */
export function field(name, schema, { root = schema, required = false, value, top = false } = {}) {
  const known = plain(schema, root);
  const more = { root, required, value };
  const kind = kindOf(known);
  if (kind === 'object') return top ? members(known, more) : group(name, known, more, (at) => members(known, { root, value: at }));
  if (kind === 'array') return group(name, known, more, (at) => items(name, known, { root, value: at }));
  return leaf(name, known, more, kind);
}

function members(schema, { root, value }) {
  const needed = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties).filter((name) => name !== 'customData');
  const isDeep = (name) => ['object', 'array'].includes(kindOf(plain(schema.properties[name], root)));
  // What is needed first, single values before what holds more of them.
  names.sort((a, b) => needed.has(b) - needed.has(a) || isDeep(a) - isDeep(b));
  const fields = names.map((name) => [name, field(name, schema.properties[name], { root, required: needed.has(name), value: value?.[name] })]);
  return {
    el: h(
      'div',
      { class: 'fields' },
      fields.map(([, one]) => one.el),
    ),
    read: () => Object.fromEntries(fields.map(([name, one]) => [name, one.read()]).filter(([, read]) => read !== undefined)),
  };
}

function items(name, schema, { root, value }) {
  const list = h('ol', { class: 'fields items' });
  const kept = new Set();
  const add = (given) => {
    const one = field(`${name} ${kept.size + 1}`, schema.items ?? {}, { root, required: true, value: given, top: false });
    const row = h('li', { class: one.el.matches('fieldset') ? 'whole' : '' }, one.el);
    const drop = h(
      'button',
      {
        class: 'btn plain slim',
        type: 'button',
        on: {
          click: () => {
            kept.delete(one);
            row.remove();
            more.focus();
          },
        },
      },
      icon('close'),
      t('station.field.removeItem'),
    );
    row.append(drop);
    kept.add(one);
    list.append(row);
    return row;
  };
  const more = h(
    'button',
    { class: 'btn slim', type: 'button', on: { click: () => add().querySelector('input, select, textarea, button')?.focus() } },
    icon('plus'),
    t('station.field.addItem', { name }),
  );
  const first = Array.isArray(value) ? value : Array(schema.minItems ?? 1).fill(undefined);
  first.forEach(add);
  return { el: h('div', { class: 'fields' }, list, h('div', null, more)), read: () => [...kept].map((one) => one.read()).filter((one) => one !== undefined) };
}

/** An object or a list inside: built when it is wanted, so that schemas which name themselves end. */
function group(name, schema, { required, value }, build) {
  const box = h(
    'fieldset',
    { class: 'inner' },
    h('legend', null, name, ' ', h('small', { class: 'soft' }, hint(schema, required))),
    schema.description && !TYPE_NAME.test(schema.description) ? h('p', { class: 'note quiet' }, schema.description) : null,
  );
  let inside = null;
  const open = (given) => {
    inside = build(given);
    box.append(inside.el);
    toggle.replaceChildren(icon('close'), t('station.field.leaveOut', { name }));
  };
  const close = () => {
    inside.el.remove();
    inside = null;
    toggle.replaceChildren(icon('plus'), t('station.field.add', { name }));
  };
  const toggle = h(
    'button',
    { class: 'btn slim', type: 'button', on: { click: () => (inside ? close() : open()) } },
    icon('plus'),
    t('station.field.add', { name }),
  );
  if (!required) box.append(h('div', null, toggle));
  if (required || value !== undefined) open(value);
  return { el: box, read: () => inside?.read() };
}

function leaf(name, schema, { required, value }, kind) {
  const id = `f${(made += 1)}`;
  const control = CONTROLS[kind](schema, { required, value });
  const described = schema.description ? h('span', { class: 'note quiet', id: `${id}-d` }, schema.description) : null;
  control.input.id = id;
  control.input.setAttribute('aria-describedby', described ? `${id}-h ${described.id}` : `${id}-h`);
  const label = h('p', null, h('label', { for: id }, h('b', null, name)), ' ', h('small', { class: 'soft', id: `${id}-h` }, hint(schema, required)));
  return { el: h('div', { class: 'field' }, label, control.el ?? control.input, described), read: control.read };
}

function select(options, { required, value }) {
  const list = options.map((one) => h('option', { value: one, selected: String(value) === one }, one));
  const input = h('select', { required }, h('option', { value: '' }, required ? t('station.field.pick') : t('station.field.leftOut')), list);
  return { input, el: h('span', { class: 'select' }, input, icon('chevron')) };
}

const CONTROLS = {
  choice(schema, more) {
    const { input, el } = select(schema.enum.map(String), more);
    return { input, el, read: () => schema.enum.find((one) => input.value !== '' && String(one) === input.value) };
  },
  boolean(schema, more) {
    const { input, el } = select(['true', 'false'], more);
    return { input, el, read: () => (input.value === '' ? undefined : input.value === 'true') };
  },
  number(schema, { required, value }) {
    const input = h('input', {
      type: 'number',
      step: schema.type === 'integer' ? '1' : 'any',
      required,
      inputmode: schema.type === 'integer' ? 'numeric' : 'decimal',
      min: schema.minimum,
      max: schema.maximum,
      value,
    });
    return { input, read: () => (input.value === '' ? undefined : Number(input.value)) };
  },
  text(schema, { required, value }) {
    if (schema.format === 'date-time') return moment(required, value);
    const empty = required && !schema.minLength;
    const input = h('input', { type: 'text', required: required && !empty, maxlength: schema.maxLength, value, autocomplete: 'off', spellcheck: 'false' });
    return { input, read: () => (input.value === '' && !empty ? undefined : input.value) };
  },
  json(schema, { required, value }) {
    const input = h('textarea', { rows: '3', required, spellcheck: 'false', class: 'code' });
    input.value = value === undefined ? '' : JSON.stringify(value, null, 2);
    return { input, read: () => (input.value.trim() === '' ? undefined : JSON.parse(input.value)) };
  },
};

function moment(required, value) {
  const input = h('input', { type: 'datetime-local', step: '1', required, value: value ? local(value) : undefined });
  return { input, read: () => (input.value === '' ? undefined : new Date(input.value).toISOString()) };
}

/** A time as `datetime-local` takes it, in the reader's time zone. */
export function local(iso) {
  const at = new Date(iso);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
