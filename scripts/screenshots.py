"""Takes the README's pictures from a running demo: python scripts/screenshots.py [--fault error].

Needs Chromium at /usr/bin/chromium; writes docs/images/*.png.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from bongsu.demo.run import Outcome, one_fault
from bongsu.demo.stack import Stack, running
from bongsu.processes import free_port

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WARM_UP, SHOWN_FOR = 150.0, 25.0
DESKTOP, PHONE = (1280, 860), (390, 844)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", default="error")
    parser.add_argument("--warm-up", type=float, default=WARM_UP, help="seconds of normal traffic first")
    options = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    for language in ("en", "ko"):
        with tempfile.TemporaryDirectory() as folder:
            async with running(
                Path(folder), port=free_port(), language=language, with_prometheus=False
            ) as stack:
                await asyncio.sleep(options.warm_up)
                await _pictures(stack, options.fault, language)


async def _pictures(stack: Stack, fault: str, language: str) -> None:
    delivered = asyncio.Event()

    def narrate(hop: str, *_: object) -> None:
        if hop == "delivered":
            delivered.set()

    breaking: asyncio.Task[Outcome] = asyncio.create_task(
        one_fault(stack, fault, narrate, hold=SHOWN_FOR + 20)
    )
    await delivered.wait()
    await asyncio.sleep(SHOWN_FOR)
    suffix = "" if language == "en" else f".{language}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        incident = (await stack.api("/api/incidents"))[0]["id"]
        for name, size, scheme in (
            ("desktop", DESKTOP, "light"),
            ("desktop-dark", DESKTOP, "dark"),
            ("phone", PHONE, "light"),
            ("phone-dark", PHONE, "dark"),
        ):
            page = await _signed_in(browser, stack, size, scheme, language)
            await page.screenshot(path=IMAGES / f"overview-{name}{suffix}.png")
            await page.goto(f"{stack.console}/incidents/{incident}")
            await page.wait_for_timeout(1500)
            await page.screenshot(path=IMAGES / f"incident-{name}{suffix}.png")
            await page.close()
        page = await browser.new_page(viewport={"width": 900, "height": 1000}, locale=language)
        await page.goto(stack.inbox)
        await page.wait_for_timeout(1000)
        await page.screenshot(path=IMAGES / f"message{suffix}.png")
        await browser.close()
    await breaking


async def _signed_in(
    browser: Browser, stack: Stack, size: tuple[int, int], scheme: str, language: str
) -> Page:
    page = await browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=language,
    )
    await page.goto(f"{stack.console}/sign-in")
    await page.fill("input[type=password]", stack.admin_token)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{stack.console}/")
    await page.wait_for_timeout(1000)
    return page


if __name__ == "__main__":
    asyncio.run(main())
