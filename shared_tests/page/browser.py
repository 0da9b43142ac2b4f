"""A page in a real browser, with whatever it has to complain of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def opened(browser: Browser, file: Path, size: str) -> Iterator[Page]:
    """A file in a window; anything on the console or the network fails the test."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or noise.append(asked.url))
    page.goto(file.as_uri())
    yield page
    assert not noise
    page.close()
