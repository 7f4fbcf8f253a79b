// The server's clock, learned from what it sends: a countdown must not depend on how a reader's clock is set.

let low = -Infinity;
let high = Infinity;
let offset = Date.now() - performance.now();

/**
 * Learns from an answer that was asked for at `sent` and came at `got` (performance.now()): it was stamped in between.
 * A Date header is cut to the second, so that the truth lies up to a second later; many answers narrow it down.
 */
export function learn(stamp, sent, got, within = 1000) {
  const at = Date.parse(stamp);
  if (Number.isNaN(at)) return;
  const from = at - got;
  const to = at + within - sent;
  // No common ground: one of the clocks was set, or this machine slept. The newest answer counts.
  if (from > high || to < low) [low, high] = [from, to];
  else [low, high] = [Math.max(low, from), Math.min(high, to)];
  offset = (low + high) / 2;
}

/** Milliseconds since 1970 by the server's clock. */
export function now() {
  return offset + performance.now();
}

const ticking = new Set();
let timer;

/** Calls `fn(now)` at each full second of the server's clock, until `signal` ends; not while the page is hidden. */
export function everySecond(fn, { signal } = {}) {
  if (signal?.aborted) return;
  ticking.add(fn);
  signal?.addEventListener('abort', () => ticking.delete(fn), { once: true });
  if (!timer) plan();
}

function plan() {
  clearTimeout(timer);
  timer = document.hidden || !ticking.size ? undefined : setTimeout(tick, 1000 - (now() % 1000) + 4);
}

function tick() {
  const at = now();
  for (const fn of [...ticking]) {
    try {
      fn(at);
    } catch (error) {
      reportError(error);
    }
  }
  plan();
}

document.addEventListener('visibilitychange', () => (document.hidden ? plan() : tick()));
