// The ring: what remains of the time, draining; a shape in its middle when no time runs.
import { h, say, svg } from '../dom.js';
import { countdown } from '../format.js';

const RADIUS = 132;
const ROUND = 2 * Math.PI * RADIUS;

/** The element, and `show({from, to, at})` (milliseconds) to draw what remains; null draws an empty ring. */
export function ring(...inside) {
  const circle = (more) => svg('circle', { cx: 144, cy: 144, r: RADIUS, fill: 'none', 'stroke-width': 10, ...more });
  const arc = circle({ class: 'arc', 'stroke-linecap': 'round', transform: 'rotate(-90 144 144)', 'stroke-dasharray': ROUND.toFixed(1) });
  const clock = h('time');
  const big = h('b', null, clock);
  const [top, bottom] = inside;
  const el = h(
    'div',
    { class: 'ring' },
    svg('svg', { viewBox: '0 0 288 288', 'aria-hidden': 'true' }, circle({ class: 'rail' }), arc),
    h('div', { class: 'in' }, top, big, bottom),
  );
  return {
    el,
    show(span) {
      const left = span ? Math.max(0, Math.min(1, (span.to - span.at) / Math.max(1, span.to - span.from))) : 0;
      arc.setAttribute('stroke-dashoffset', (ROUND * (1 - left)).toFixed(1));
      arc.toggleAttribute('hidden', left === 0);
      big.hidden = !span;
      el.classList.toggle('still', !span);
      if (!span) return;
      const text = countdown(span.to - span.at);
      say(clock, text);
      clock.dateTime = new Date(span.to).toISOString();
      big.classList.toggle('long', text.length > 5);
    },
  };
}
