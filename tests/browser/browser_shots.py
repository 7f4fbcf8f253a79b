"""Screenshots for docs/shots, made by the tests when TEST_SHOTS is set: PNGs of at most 256 colours."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from pathlib import Path

from playwright.async_api import Page, ViewportSize

SHOTS = Path(__file__).resolve().parents[2] / "docs" / "shots"
SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
}
WANTED = bool(os.environ.get("TEST_SHOTS"))

# The most frequent colours stay, and then those that are many and far from all that stay: a small green dot is still
# green. Every other pixel gets the nearest. Rows begin with PNG's filter byte 0.
REDUCE = """async encoded => {
  const blob = await (await fetch('data:image/png;base64,' + encoded)).blob();
  const bitmap = await createImageBitmap(blob);
  const {width, height} = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext('2d');
  canvas.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const colours = [...counts].sort((a, b) => b[1] - a[1])
    .map(([colour, count]) => ({colour, count, rgb: [0, 8, 16].map(bits => colour >> bits & 255), far: Infinity}));
  const palette = [];
  const keep = kept => {
    palette.push(kept.rgb);
    for (const one of colours) {
      const far = one.rgb.reduce((sum, part, n) => sum + (part - kept.rgb[n]) ** 2, 0);
      if (far < one.far) Object.assign(one, {far, index: palette.length - 1});
    }
  };
  colours.slice(0, 128).forEach(keep);
  while (palette.length < 256) {
    const next = colours.reduce((best, one) => (one.far * one.count > best.far * best.count ? one : best));
    if (!next.far) break;
    keep(next);
  }
  const near = new Map(colours.map(one => [one.colour, one.index]));
  const rows = new Uint8Array((width + 1) * height);
  pixels.forEach((pixel, n) => { rows[n + Math.floor(n / width) + 1] = near.get(pixel); });
  let text = '';
  for (let n = 0; n < rows.length; n += 8192) text += String.fromCharCode(...rows.subarray(n, n + 8192));
  return {width, height, palette: palette.flat(), rows: btoa(text)};
}"""


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


async def reduced(page: Page, image: bytes) -> bytes:
    """The PNG with a palette; another window of the same person does the counting."""
    worker = await page.context.new_page()
    found = await worker.evaluate(REDUCE, base64.b64encode(image).decode())
    await worker.close()
    head = struct.pack(">IIBBBBB", found["width"], found["height"], 8, 3, 0, 0, 0)
    rows = zlib.compress(base64.b64decode(found["rows"]), 9)
    parts = chunk(b"IHDR", head) + chunk(b"PLTE", bytes(found["palette"])) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


async def shoot(page: Page, name: str, *, sizes: tuple[str, ...] = tuple(SIZES)) -> None:
    """When screenshots are wanted, docs/shots has this page: phone and desktop, light and dark."""
    if not WANTED:
        return
    SHOTS.mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    for size in sizes:
        await page.set_viewport_size(SIZES[size])
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal, by the loop above
            image = await page.screenshot(animations="disabled", caret="hide")
            (SHOTS / f"{name}-{size}-{scheme}.png").write_bytes(await reduced(page, image))
    await page.emulate_media(color_scheme="light")
    if before is not None:
        await page.set_viewport_size(before)
