// Adding a station from the board: its password is shown once.
import { ApiError, put } from '../api.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h } from '../dom.js';
import { icon } from '../icons.js';
import * as store from '../store.js';
import { t } from '../text.js';

/** Asks for the station's id, provisions it, and shows its password. */
export function addStation() {
  const id = h('input', { name: 'id', class: 'code', required: true, maxlength: 48, pattern: '[A-Za-z0-9*_=+\\|@. \\-]+', title: t('board.idRule'), autocomplete: 'off', spellcheck: 'false', autofocus: true });
  const place = h('input', { name: 'place', maxlength: 200, autocomplete: 'off' });
  const wrong = h('p', { class: 'wrong t-fault', role: 'alert' });
  const body = h('div');
  const el = dialog({ head: t('board.add'), body });
  const close = () => el.close();
  fill(body, h('form', { on: { submit } },
    h('div', { class: 'dlg-body' }, h('label', { class: 'field' }, h('span', null, t('board.addId')), id), h('label', { class: 'field' }, h('span', null, t('board.addPlace')), place), wrong),
    h('div', { class: 'dlg-foot' }, h('button', { class: 'btn push', type: 'button', on: { click: close } }, t('words.close')), h('button', { class: 'btn main', type: 'submit' }, icon('plus'), t('board.add')))));

  async function submit(event) {
    event.preventDefault();
    const name = id.value.trim();
    try {
      if (store.stations.has(name)) return fill(wrong, t('board.addKnown'));
      const station = await put(`/stations/${encodeURIComponent(name)}`, place.value.trim() ? { location: { name: place.value.trim() } } : {});
      done(station);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(wrong, error.message);
    }
  }

  function done({ password, ...station }) {
    fill(body,
      h('div', { class: 'dlg-body' }, h('p', null, t('board.added', { id: station.id })),
        h('div', { class: 'box' }, h('dl', { class: 'kv' }, h('dt', null, t('board.password')), h('dd', { class: 'code' }, password ?? t('board.passwordKept')), h('dt', null, t('board.address')), h('dd', { class: 'code' }, `ws://${location.hostname}:9000/ocpp/${encodeURIComponent(station.id)}`))),
        h('p', { class: 'small soft' }, t('board.passwordOnce'))),
      h('div', { class: 'dlg-foot' }, h('button', { class: 'btn main push', type: 'button', on: { click: close } }, t('reserve.done'))));
    body.querySelector('.btn.main').focus();
    store.put('station', station);
  }
  openDialog(el);
}
