"""What the Gallery's first page weighs, in a real browser with an empty cache: `python benchmarks/page_weight.py`.

It counts what comes over the wire, in kB of 1,000 bytes: files and routes with their headers, as compressed, and the
messages of Streamlit's WebSocket. Streamlit's own static files, which are the same for every app, stand apart.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer
from serving import ROOT, browsing, checkout, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

QUIET = 3000  # ms after the last film is drawn, in which nothing more is to come


def weigh(browser: Browser, url: str) -> dict[str, float]:
    """kB of a first visit to `url`: Streamlit's static files, other files, messages."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    line = context.new_cdp_session(tab)
    static: dict[str, bool] = {}
    found = {"Streamlit's own files": 0.0, "other files": 0.0, "messages": 0.0}

    def asked(event: dict[str, Any]) -> None:
        static[event["requestId"]] = "/static/" in urlsplit(event["request"]["url"]).path

    def came(event: dict[str, Any]) -> None:
        kind = "Streamlit's own files" if static.get(event["requestId"]) else "other files"
        found[kind] += event["encodedDataLength"] / 1000

    def told(event: dict[str, Any]) -> None:
        frame = event["response"]
        content = frame["payloadData"]
        found["messages"] += len(base64.b64decode(content) if frame["opcode"] == 2 else content.encode()) / 1000

    line.send("Network.enable")
    line.on("Network.requestWillBeSent", asked)
    line.on("Network.loadingFinished", came)
    line.on("Network.webSocketFrameReceived", told)
    tab.goto(url)
    tab.locator("button.film").nth(23).wait_for(timeout=120_000)
    tab.wait_for_timeout(QUIET)
    context.close()
    return found


def main(
    against: Annotated[str, typer.Option(help="Another revision, beside this one.")] = "",
    python: Annotated[Path | None, typer.Option(help="A Python for it, in place of an environment of its own.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Shipped models; by default the knees.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Weigh the Gallery's first page."""
    measured: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        sides = {"here": (ROOT, Path(sys.executable))}
        if against:
            sides = {against: checkout(against, Path(folder), python)} | sides
        for name, (root, interpreter) in sides.items():
            runs, cache = Path(folder) / f"runs-{name}", Path(folder) / f"cache-{name}"
            runs.mkdir()
            with serving(runs, root=root, python=interpreter, cache=cache) as server:
                for each in model or ["knee-64", "knee-128", "knee-256"]:
                    query = urlencode({"model": each})
                    measured.setdefault(each, {})[name] = weigh(browser, f"{server.url}/?{query}")
    if as_json:
        print(json.dumps(measured, indent=2))
        return
    print("| model | revision | other files, kB | messages, kB | both, kB | Streamlit's own files, kB |")
    print("|---|---|---:|---:|---:|---:|")
    for each, by_side in measured.items():
        for name, kb in by_side.items():
            own, files, messages = kb.values()
            print(f"| {each} | {name} | {files:.0f} | {messages:.0f} | {files + messages:.0f} | {own:.0f} |")


if __name__ == "__main__":
    typer.run(main)
