"""The pages in a real browser: live updates, answers, toggles, links, narrow screens, no complaints."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bongsu.incidents.model import IncidentStatus
from tests.console.memory import TOKEN, Shop
from tests.console.sample import burning_shop, calm_shop
from tests.console.serving import serving
from tests.console.support import OUTAGE

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is missing: the pages were not looked at"),
]


@dataclass
class Visit:
    shop: Shop
    url: str
    page: Page
    said: list[str] = field(default_factory=list)
    """Everything on the browser's console: warnings, errors, violations of the policy."""

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        expect(self.page.locator("[data-connection=live]")).to_be_attached()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, shop: Shop, **options: object) -> Iterator[Visit]:
    settings = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options}
    with serving(shop) as url:
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        visit = Visit(shop, url, context.new_page())
        visit.page.on("console", lambda message: visit.said.append(message.text))
        visit.page.on("pageerror", lambda error: visit.said.append(str(error)))
        visit.page.goto(f"{url}/sign-in")
        visit.page.fill("#token", TOKEN)
        visit.page.press("#token", "Enter")
        visit.page.wait_for_url(f"{url}/")
        yield visit
        # Streams are open: the server has to end all the same.
        assert visit.said == []
    context.close()


@pytest.fixture
def outage(browser: Browser) -> Iterator[Visit]:
    with visiting(browser, burning_shop()) as visit:
        visit.open(f"/incidents/{OUTAGE}")
        yield visit


def test_a_change_appears_without_reload_and_disturbs_nothing(outage: Visit) -> None:
    page = outage.page
    page.evaluate("window.sameDocument = true")
    log = page.locator(".logs details").first
    log.locator("summary").click()
    page.locator("#note-text").fill("half a thought")
    page.evaluate("scrollTo(0, 700)")
    outage.shop.tell(OUTAGE, "note", "the rollback is out", "minsu")
    ended = outage.shop.incidents[OUTAGE].since + 700
    outage.shop.change(OUTAGE, status=IncidentStatus.RESOLVED, resolved_at=ended)
    expect(page.locator(".timeline")).to_contain_text("the rollback is out")
    expect(page.locator(".facts .status")).to_contain_text("Resolved after 11 min 40 s")
    assert page.evaluate("window.sameDocument")
    assert page.evaluate("scrollY") == 700
    assert log.evaluate("e => e.open")
    assert page.locator("#note-text").input_value() == "half a thought"
    assert page.locator(".plot canvas").count() == 2


def test_an_incident_appears_on_the_overview_by_itself(browser: Browser) -> None:
    shop = calm_shop()
    with visiting(browser, shop) as visit:
        visit.open("/")
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("All is well.")
        burning = burning_shop()
        shop.incidents, shop.by_alerts = burning.incidents, burning.by_alerts
        shop.change(OUTAGE)
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("2 incidents are open.")
        expect(visit.page.locator(".beacon.lit")).to_have_count(5)


def test_acknowledging_and_noting_with_the_keyboard(outage: Visit) -> None:
    page = outage.page
    page.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".facts .status")).to_have_text("Acknowledged by jihye")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.locator("#note-text").fill("<b>looking</b>")
    page.locator(".note-form button").click()
    expect(page.locator(".event.note .event-text").first).to_have_text("<b>looking</b>")
    expect(page.locator("#note-text")).to_have_value("")
    page.get_by_role("button", name="Silence 1 h").click()
    page.wait_for_timeout(300)
    assert outage.shop.silences == [("payments", "", 3600.0, "jihye")]
    assert page.evaluate("window.sameDocument")


def test_theme_and_language_are_toggled_and_kept(outage: Visit) -> None:
    page = outage.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.wait_for_timeout(300)
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.get_by_role("button", name="확인", exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_citation_opens_its_evidence(outage: Visit) -> None:
    page = outage.page
    page.locator(".cite", has_text="T1").click()
    expect(page.locator("#e-T1")).to_be_in_viewport()
    page.locator(".cite", has_text="M5").click()
    expect(page.locator("#e-M5")).to_be_focused()


def test_charts_are_drawn_and_read_under_the_cursor(outage: Visit) -> None:
    page = outage.page
    reading = page.locator(".plot [data-reading]").first
    expect(reading).to_contain_text("%")
    idle = reading.inner_text()
    page.locator(".plot .u-over").first.hover(position={"x": 200, "y": 40})
    expect(reading).not_to_have_text(idle)


def test_filters_apply_as_they_are_chosen(browser: Browser) -> None:
    with visiting(browser, burning_shop()) as visit:
        visit.open("/incidents")
        visit.page.get_by_role("checkbox", name="P1").check(force=True)
        visit.page.wait_for_url("**severity=P1**")
        expect(visit.page.locator(".incident")).to_have_count(2)


def test_polling_takes_over_when_the_stream_is_down(browser: Browser) -> None:
    with visiting(browser, burning_shop()) as visit:
        visit.page.route("**/live", lambda route: route.abort())
        visit.page.clock.install()
        visit.page.goto(f"{visit.url}/incidents/{OUTAGE}")
        expect(visit.page.locator(".connection")).to_have_attribute("data-connection", "polling")
        visit.shop.tell(OUTAGE, "note", "seen by polling")
        visit.page.clock.run_for(11_000)
        expect(visit.page.locator(".timeline")).to_contain_text("seen by polling")
        visit.said[:] = [line for line in visit.said if "ERR_FAILED" not in line]


def test_a_link_from_another_site_finds_the_session(browser: Browser) -> None:
    with visiting(browser, burning_shop()) as visit:
        elsewhere = visit.url.replace("127.0.0.1", "localhost")
        visit.page.route(
            f"{elsewhere}/chat",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<a href="{visit.url}/incidents/{OUTAGE}">incident</a>'
            ),
        )
        visit.page.goto(f"{elsewhere}/chat")
        visit.page.get_by_role("link").click()
        expect(visit.page.get_by_role("heading", level=1)).to_contain_text("payments")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, locale: str, scheme: str) -> None:
    narrow = {"viewport": {"width": 390, "height": 844}, "locale": locale, "color_scheme": scheme}
    with visiting(browser, burning_shop(), **narrow) as visit:
        for path in ("/", "/incidents", f"/incidents/{OUTAGE}"):
            visit.open(path)
            visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390, path


CONTRAST = """() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility()) continue;
    if (element.closest(".hidden, .skip, .hero, option")) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.data.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_both_themes(browser: Browser, scheme: str) -> None:
    with visiting(browser, burning_shop(), color_scheme=scheme) as visit:
        for path in ("/", "/incidents", f"/incidents/{OUTAGE}"):
            visit.open(path)
            visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert visit.page.evaluate(CONTRAST) == [], path
