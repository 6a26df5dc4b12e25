"""Starts a browser that is installed here, and notes whatever a page in it asks for or complains of."""

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic")


def executable():
    """Return the browser's path: $CHROMIUM, else what is on the path; None if there is none."""
    return next(filter(None, map(shutil.which, filter(None, [os.environ.get("CHROMIUM"), *NAMES]))), None)


@contextmanager
def browser():
    """Start the browser; without one skip the tests, or fail them where REQUIRE_BROWSER says so."""
    path = executable()
    if path is None:
        give_up = pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip
        give_up("there is no browser: install chromium, or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


def note(page):
    """Note in ``page.noted`` what it asks for beyond itself, and every error, warning and dialog."""
    page.noted = noted = []

    def ask(request):
        if not request.is_navigation_request():  # which is the page itself, and a link within it
            noted.append(f"request: {request.url}")

    def answer(dialog):
        noted.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("request", ask)
    page.on("console", lambda said: said.type in ("error", "warning") and noted.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: noted.append(f"error: {error}"))
    page.on("dialog", answer)
