"""The page's documents and files, as a browser gets them."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from web_bench import Bench

from evhold.web import pages

#: Every file that is there to be sent, as its address under /static.
FILES = sorted(
    path.relative_to(pages.STATIC).as_posix()
    for path in pages.STATIC.rglob("*")
    if path.is_file() and path.suffix in pages.TYPES
)
ADDRESSES = (
    "/",
    "/reservations",
    "/reservations/7",
    "/timeline",
    "/figures",
    "/stations/CS%201",
    "/tokens",
    "/webhooks",
)
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Seen(HTMLParser):
    """What a document has that the policy does not allow, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One tag."""
        given = dict(attrs)
        self.wrong += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.wrong.append(tag)
        if tag in ("script", "link", "img"):
            self.loads.append(given.get("src") or given.get("href") or "")


def test_no_file_is_left_out() -> None:
    """Each file of the page has a type that is served, under a name that is served."""
    every = {path for path in pages.STATIC.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert {path.relative_to(pages.STATIC).as_posix() for path in every} == set(FILES)


async def test_every_address_of_the_page_is_its_one_document(bench: Bench) -> None:
    """Whatever is asked for first, the script finds out what to show."""
    index = (pages.STATIC / "index.html").read_text(encoding="utf-8")
    for address in ADDRESSES:
        answer = await bench.client.get(address)
        assert (answer.status_code, answer.text) == (200, index), address
    driver = await bench.client.get("/d/whatever-link_1")
    assert (driver.status_code, driver.text) == (200, (pages.STATIC / "driver.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["index.html", "driver.html"])
async def test_a_document_has_nothing_inline(bench: Bench, name: str) -> None:
    """No style, no script, no handler in it; all that it loads is here."""
    seen = Seen()
    seen.feed((pages.STATIC / name).read_text(encoding="utf-8"))
    assert seen.wrong == []
    for link in seen.loads:
        assert link.startswith("/static/")
        assert (await bench.client.get(link)).status_code == 200, link


async def test_every_file_is_sent_with_its_type_and_a_strict_policy(bench: Bench) -> None:
    """In sub-folders too: no sniffing, no other origin, nothing inline, and asked for anew each time."""
    for name in FILES:
        answer = await bench.client.get(f"/static/{name}")
        assert answer.status_code == 200, name
        assert answer.content == (pages.STATIC / name).read_bytes()
        assert answer.headers["Content-Type"] == KINDS[Path(name).suffix]
        assert answer.headers["Content-Security-Policy"] == pages.CSP
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-cache"
    assert not re.search("unsafe|https?:|[*]|data:", pages.CSP)


def test_no_module_is_missing() -> None:
    """What a script imports, and a style sheet, is there."""
    missing = []
    for name in FILES:
        path = pages.STATIC / name
        if path.suffix not in (".js", ".css"):
            continue
        text = path.read_text(encoding="utf-8")
        wanted = re.findall(r"""(?:^|\s)(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]""", text)
        wanted += re.findall(r"""\bimport\s*\(?\s*['"]([^'"]+)['"]""", text)
        wanted += re.findall(r"""url\(\s*['"]?([^'")]+)""", text) if path.suffix == ".css" else []
        for one in wanted:
            target = pages.STATIC / one.removeprefix("/static/") if one.startswith("/") else path.parent / one
            missing += [] if target.is_file() else [f"{name}: {one}"]
    assert missing == []


async def test_a_file_that_is_there_already_is_not_sent_again(bench: Bench) -> None:
    """304 without a body for the same tag, plain or packed, weak or in a list; 200 for another."""
    first = await bench.client.get("/static/icon.svg")
    tag = first.headers["ETag"]
    for given in (tag, tag.removeprefix("W/"), f'"x", {tag}'):
        again = await bench.client.get("/static/icon.svg", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (await bench.client.get("/static/icon.svg", headers={"If-None-Match": '"x"'})).status_code == 200
    assert (await bench.client.get("/", headers={"If-None-Match": tag})).status_code == 200


async def test_files_are_packed_where_it_pays(bench: Bench) -> None:
    """gzip for who takes it, and for files that grow smaller by it."""
    name = max(FILES, key=lambda one: (pages.STATIC / one).stat().st_size)
    plain = (pages.STATIC / name).read_bytes()
    lengths = {}
    for accepted in ("gzip", "br;q=1.0, gzip;q=0.8", "*", "identity", "gzip;q=0", "br"):
        async with bench.client.stream("GET", f"/static/{name}", headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        is_packed = answer.headers.get("Content-Encoding") == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert (gzip.decompress(raw) if is_packed else raw) == plain
        lengths[accepted] = is_packed
    assert lengths == {
        "gzip": True,
        "br;q=1.0, gzip;q=0.8": True,
        "*": True,
        "identity": False,
        "gzip;q=0": False,
        "br": False,
    }
    small = await bench.client.get("/static/icon.svg", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


async def test_a_file_that_changes_is_read_anew(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever works on the page needs no restart."""
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    (tmp_path / "js" / "pages").mkdir(parents=True)
    file = tmp_path / "js" / "pages" / "board.js"
    tags = set()
    for text in ("one", "three"):
        file.write_text(text)
        answer = await bench.client.get("/static/js/pages/board.js")
        assert answer.text == text
        tags.add(answer.headers["ETag"])
    assert len(tags) == 2


@pytest.mark.parametrize(
    "path",
    [
        "none.js",
        "..%2f..%2fapp.py",
        "%2e%2e",
        "css/..%2ficon.svg",
        "js/%2e%2e/%2e%2e/app.py",
        "js/.hidden.js",
        "css/%00.css",
        "css%5ctokens.css",
        "js",
        "~/x.js",
    ],
)
async def test_nothing_else_is_served(bench: Bench, path: str) -> None:
    """404 for what is not there, folders, other folders, and names that try."""
    answer = await bench.client.get(f"/static/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_addresses_beyond_the_page_are_problems(bench: Bench) -> None:
    """The page is no answer to everything; its addresses are only looked at."""
    for path in ("/nothing", "/reservations/7/history", "/d", "/d/x/y", "/static"):
        answer = await bench.client.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found"), path
    assert (await bench.client.post("/reservations")).status_code == 405


async def test_the_page_may_be_asked_for_with_head(bench: Bench) -> None:
    """As monitors do."""
    for path in ("/", "/timeline", "/d/x", "/static/icon.svg"):
        answer = await bench.client.head(path)
        assert (answer.status_code, answer.content) == (200, b""), path
