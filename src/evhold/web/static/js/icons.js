// Shapes of 16 by 16. A state is always told by word, shape and colour.
import { svg } from './dom.js';

const full = (d) => svg('path', { d, fill: 'currentColor' });
const line = (d, width = 1.5, more = {}) => svg('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': width, ...more });
const cut = (d, width = 1.7) => svg('path', { d, fill: 'none', stroke: 'var(--surface)', 'stroke-width': width });
const disc = (cx, cy, r, fill = 'currentColor') => svg('circle', { cx, cy, r, fill });
const ring = (r, width) => svg('circle', { cx: 8, cy: 8, r, fill: 'none', stroke: 'currentColor', 'stroke-width': width });
const box = (x, y, width, height, rx) => svg('rect', { x, y, width, height, rx, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 });

const MARK = 'M4 1.5h8a1 1 0 0 1 1 1v12.2l-5-3.6-5 3.6V2.5a1 1 0 0 1 1-1z';
const EDGE = 'M4.2 1.8h7.6a.8.8 0 0 1 .8.8v11.4L8 10.8l-4.6 3.2V2.6a.8.8 0 0 1 .8-.8z';
const BOLT = 'M9.6.8 2.8 9h4l-1 6.2L13 6.8H8.7L9.6.8z';

const SHAPES = {
  free: () => [ring(5.75, 2)],
  held: () => [full(MARK)],
  occupied: () => [full(BOLT)],
  unavailable: () => [box(1.75, 1.75, 12.5, 12.5, 2.5), line('M4.5 8h7', 2)],
  faulted: () => [full('M8 1 15.5 14.5H.5L8 1z'), cut('M8 5.8v4', 1.6), disc(8, 12, 0.95, 'var(--surface)')],
  offline: () => [line('M.8 8h4.4M10.8 8h4.4M6 13 10 3', 1.9)],
  unknown: () => [ring(6.25, 1.5), line('M6.1 6.200a1.95 1.95 0 1 1 2.9 1.700c-.700.4-1 .800-1 1.5'), disc(8, 11.6, 0.9)],
  pending: () => [disc(3, 8, 1.7), disc(8, 8, 1.7), disc(13, 8, 1.7)],
  unconfirmed: () => [line(EDGE, 1.7, { 'stroke-dasharray': '2.6 1.7' })],
  wish: () => [line(EDGE), line('m5.9 4.2 4.2 4.2m0-4.2L5.9 8.4')],
  active: () => [full(MARK)],
  used: () => [disc(8, 8, 7), cut('m4.8 8.3 2.2 2.2 4.2-4.7')],
  expired: () => [ring(6.25, 1.5), line('M8 4.2V8l2.6 2')],
  canceled: () => [ring(6.25, 1.5), line('m5.5 5.5 5 5m0-5-5 5')],
  removed: () => [line('M8.5 2.5h-6v11h11v-6'), line('M7.5 8.5 14 2m-4.5 0H14v4.5')],
  refused: () => [full('M5 1.2h6L14.8 5v6L11 14.8H5L1.2 11V5z'), cut('M4.5 8h7', 2)],
  failed: () => [line('m2.5 2.5 11 11m0-11-11 11', 2.2)],
  stations: () => [line('M2 2.5h5v4.5H2zM9 2.5h5v4.5H9zM2 9h5v4.5H2zM9 9h5v4.5H9z')],
  timeline: () => [line('M2 4.5h5M5 8h8M3.5 11.5H9', 2)],
  figures: () => [line('M3 13.5V9M8 13.5v-11M13 13.5V6', 2)],
  tokens: () => [box(1.5, 3, 13, 10, 1.5), line('M2 6.5h12')],
  webhooks: () => [disc(8, 3.5, 2.2), disc(3.2, 12, 2.2), disc(12.8, 12, 2.2), line('M8 3.5 3.2 12h9.6')],
  live: () => [disc(8, 8, 3), svg('circle', { cx: 8, cy: 8, r: 6.25, fill: 'none', stroke: 'currentColor', opacity: 0.6 })],
  theme: () => [ring(6.25, 1.5), full('M8 1.75a6.25 6.25 0 0 1 0 12.5z')],
  search: () => [svg('circle', { cx: 7, cy: 7, r: 4.75, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 }), line('m10.5 10.5 4 4')],
  close: () => [line('m3.5 3.5 9 9m0-9-9 9')],
  plus: () => [line('M8 2.5v11M2.5 8h11')],
  minus: () => [line('M2.5 8h11')],
  chevron: () => [line('m4.5 6.5 3.5 3.5 3.5-3.5')],
  back: () => [line('M9.5 3.5 5 8l4.5 4.5')],
  next: () => [line('M6.5 3.5 11 8l-4.5 4.5')],
  sun: () => [ring(3, 1.5), line('M8 .8v2M8 13.200v2M.8 8h2M13.2 8h2M2.9 2.900l1.4 1.400M11.7 11.700l1.4 1.400M2.9 13.100l1.4-1.400M11.7 4.300l1.4-1.4')],
  moon: () => [line('M13.5 9.800A6 6 0 0 1 6.2 2.500a6 6 0 1 0 7.3 7.300z')],
  tick: () => [line('m3 8.5 3.2 3.2L13 5', 2)],
  more: () => [disc(3, 8, 1.4), disc(8, 8, 1.4), disc(13, 8, 1.4)],
  copy: () => [box(5.25, 5.25, 8.5, 8.5, 1.5), line('M10.5 2.250H3.750a1.5 1.5 0 0 0-1.5 1.500v6.75')],
  refresh: () => [line('M13.5 8A5.5 5.5 0 1 1 11.7 3.900M12.5 1v3.500H9')],
  download: () => [line('M8 2v8m-3.2-3L8 10.2 11.2 7M2.5 13.5h11')],
  arrow: () => [line('M2.5 8h10.500M9 4l4 4-4 4')],
  out: () => [line('M6.5 2.500h-4v11h4M6.5 8h7.500M11 5l3 3-3 3')],
  bolt: () => [full(BOLT)],
  clock: () => [ring(6.25, 1.5), line('M8 4.2V8l2.6 2')],
  pin: () => [line('M8 15S3 9.8 3 6.3a5 5 0 0 1 10 0C13 9.8 8 15 8 15z'), disc(8, 6.3, 1.7)],
  link: () => [line('M6.5 9.5 9.5 6.500M7 4.5 8.6 2.900a3 3 0 0 1 4.3 4.300L11.5 8.700M9 11.500l-1.6 1.600a3 3 0 0 1-4.3-4.300L4.5 7.3')],
  play: () => [full('M4 2.500v11l9.5-5.500z')],
  pause: () => [line('M5 2.500v11M11 2.500v11', 2.5)],
  stop: () => [full('M3 3h10v10H3z')],
  rows: () => [line('M2 4h12M2 8h12M2 12h12')],
  edit: () => [line('m3 13 .7-3L11 2.7 13.3 5 6 12.300z')],
  remove: () => [line('M2.5 4h11M6 4V2.500h4V4M4 4l.7 9.500h6.600L12 4')],
  key: () => [svg('circle', { cx: 5, cy: 11, r: 3.25, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 }), line('M7.5 8.5 14 2m-3 3 2.5 2.5')],
};

/** The shape as an <svg>; with a label it is an image that is read out, without one it is decoration. */
export function icon(name, { label, class: more } = {}) {
  const told = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  return svg('svg', { class: more ? `i ${more}` : 'i', viewBox: '0 0 16 16', ...told }, (SHAPES[name] ?? SHAPES.unknown)());
}

/** The shape of a connector's status as OCPP names it; `Offline` is ours. */
export const OF_CONNECTOR = { Available: 'free', Reserved: 'held', Occupied: 'occupied', Unavailable: 'unavailable', Faulted: 'faulted', Offline: 'offline' };

/** The tone (a class t-...) of a connector's status. */
export const TONE_OF_CONNECTOR = { Available: 'free', Reserved: 'held', Occupied: 'used', Unavailable: 'over', Faulted: 'fault', Offline: 'over' };

/** The tone of a reservation's status; `Wish` is a waiting cancel. The shape is the status in small letters. */
export const TONE_OF_RESERVATION = {
  Pending: 'held', Unconfirmed: 'doubt', Wish: 'doubt', Active: 'held', Used: 'used', Expired: 'over', Canceled: 'over', Removed: 'fault', Refused: 'over', Failed: 'fault',
};
