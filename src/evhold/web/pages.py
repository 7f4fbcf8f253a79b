"""The page: two documents, and the files that they load."""

import gzip
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from litestar import Response, get

from evhold.web.problems import Problem
from evhold.web.request import Req, path_of

STATIC: Final = Path(__file__).parent / "static"
#: Everything comes from here; no style or script in the HTML itself.
CSP: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src")),
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
#: What a browser may do with whatever we send it.
GUARD: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
#: Litestar adds the charset to texts.
TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
#: The addresses that the one document knows; which of them it is, its script finds out.
ADDRESSES: Final = (
    "/",
    "/reservations",
    "/reservations/{id:str}",
    "/timeline",
    "/figures",
    "/stations/{id:str}",
    "/tokens",
    "/webhooks",
)
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
#: Below this, or saving less than a tenth, compressing is not worth it.
_WORTH_PACKING: Final = 512


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it is sent; ``stamp`` tells whether it has changed on disk since."""

    stamp: tuple[int, int]
    tag: str
    plain: bytes
    packed: bytes | None


_files: Final[dict[Path, _File]] = {}


@get(list(ADDRESSES))
async def page(request: Req) -> Response[bytes]:
    """The operators' page."""
    return _sent(request, STATIC / "index.html")


@get("/d/{link:str}")
async def driver_page(request: Req) -> Response[bytes]:
    """The page of one reservation, for its driver."""
    return _sent(request, STATIC / "driver.html")


@get("/static/{name:path}")
async def static(request: Req) -> Response[bytes]:
    """A file of the page."""
    parts = path_of(request, "name").strip("/").split("/")
    path = STATIC.joinpath(*parts) if all(_NAME.fullmatch(part) for part in parts) else STATIC
    return _sent(request, path)


def _sent(request: Req, path: Path) -> Response[bytes]:
    """The file, or that the caller has it already."""
    if path.suffix not in TYPES or not path.is_file():
        raise Problem("not-found", "there is no such file")
    file = _file(path)
    headers = GUARD | {"ETag": file.tag, "Vary": "Accept-Encoding"}
    given = request.headers.get("If-None-Match", "")
    if file.tag.removeprefix("W/") in (one.strip().removeprefix("W/") for one in given.split(",")):
        return Response(b"", status_code=304, headers=headers)
    body = file.plain
    if file.packed is not None and _takes_gzip(request.headers.get("Accept-Encoding", "")):
        body = file.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=TYPES[path.suffix], headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _file(path: Path) -> _File:
    """Read and compressed once for each time that it changes."""
    now = path.stat()
    stamp = (now.st_mtime_ns, now.st_size)
    known = _files.get(path)
    if known is None or known.stamp != stamp:
        plain = path.read_bytes()
        packed = gzip.compress(plain, mtime=0) if len(plain) >= _WORTH_PACKING else plain
        pays = len(packed) < len(plain) * 0.9
        # Weak: the same tag for both forms.
        tag = f'W/"{blake2b(plain, digest_size=12).hexdigest()}"'
        known = _files[path] = _File(stamp, tag, plain, packed if pays else None)
    return known
