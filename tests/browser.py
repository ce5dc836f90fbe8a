"""Pages in a real headless browser: each is opened on a desktop, on a phone and as it prints, and what a reader or a checker would stumble over is noted.

Chromium and the packages of requirements-browser.lock come from `make setup-browser` and the system's package manager; nothing is installed here.
"""

import contextlib
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LACKING = [
    what
    for what, there in {
        "chromium is not on the path: apt-get install chromium fonts-noto-cjk": CHROMIUM,
        "playwright and axe are not installed: make setup-browser": all(map(importlib.util.find_spec, ("playwright", "axe_playwright_python"))),
    }.items()
    if not there
]
# A4 less the margins of style.css, 184 mm × 269 mm at 96 dots an inch.
PAPER = {"width": 695, "height": 1017}
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "print": {"viewport": PAPER},
}
SERIOUS = ("serious", "critical")
# A page is pictured in parts of this height: beyond 16,384 pixels Chromium repeats the picture instead of going on.
PART = 16_000

# What sticks out of the page or of its own box. What scrolls by itself may be wider; so may a drawing's box, whose texts are looked at one by one.
STICKING_OUT = """() => {
  const found = [], root = document.documentElement, named = (each) => `${each.tagName.toLowerCase()}.${each.getAttribute("class") ?? ""}`;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} wide on ${root.clientWidth}`);
  for (const each of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(each);
    if (each instanceof SVGElement || style.display.startsWith("inline") || style.overflowX !== "visible" || !each.clientWidth) continue;
    if (each.scrollWidth > each.clientWidth + 1)
      found.push(`${named(each)} holds ${each.scrollWidth} in ${each.clientWidth}: ${each.textContent.trim().slice(0, 60)}`);
  }
  for (const words of document.querySelectorAll("svg text")) {
    const inner = words.getBoundingClientRect(), outer = words.closest("figure, td, div").getBoundingClientRect();
    if (inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1)) found.push(`svg text outside its figure: ${words.textContent}`);
  }
  return found;
}"""

# Two texts of one drawing that lie on each other, by more than the descenders that lines of text share.
OVERLAPPING = """() => [...document.querySelectorAll("svg")].flatMap((drawing) => {
  const texts = [...drawing.querySelectorAll("text")].filter((each) => each.textContent.trim());
  const placed = texts.map((each) => [each.textContent, each.getBoundingClientRect()]);
  return placed.flatMap(([one, a], place) => placed.slice(place + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
    .map(([other]) => `“${one}” on “${other}” in ${drawing.querySelector("title")?.textContent}`));
})"""

# Pictures without words for who cannot see them; a drawing may instead say that it is decoration.
UNNAMED = """() => [...document.querySelectorAll("img, svg, canvas, object, iframe")].filter((each) => {
  if (each.closest("[aria-hidden=true]")) return false;
  const labelled = (each.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("").trim();
  const said = labelled || each.getAttribute("aria-label")?.trim() || each.getAttribute("alt")?.trim();
  return !said || (each.tagName === "svg" && each.getAttribute("role") !== "img");
}).map((each) => each.outerHTML.slice(0, 120))"""

# Links to places of the page that are not there.
ANCHORS = """() => [...document.querySelectorAll("a[href^='#']")].map((each) => each.getAttribute("href"))
  .filter((each) => !document.getElementById(decodeURIComponent(each.slice(1))))"""

# Addresses of other files.
LINKS = """() => [...document.querySelectorAll("a[href]:not([href^='#'])")].map((each) => each.href)"""

# All that is read in the page's language: its title, texts, also of what is folded, and labels; not code, nor what is marked as another language's.
READ = """() => {
  const apart = `script, style, code, body [lang]:not([lang="${document.documentElement.lang}"])`, texts = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest(apart)) texts.push(walker.currentNode.textContent);
  for (const each of document.body.querySelectorAll("*"))
    if (!each.closest(apart)) for (const name of ["aria-label", "alt", "title", "placeholder"]) texts.push(each.getAttribute(name) ?? "");
  return texts.map((each) => each.trim()).filter(Boolean);
}"""

# How much of the page can be pressed or filled in to sort or filter a table.
WORKED = """() => document.querySelectorAll("th button, [data-filter]").length"""

# What of a sortable table's column is shown, from the top: the value that it is sorted by.
COLUMN = """([table, column]) => [...document.querySelectorAll("table")][table].querySelectorAll("tbody tr").values().filter((row) => !row.hidden)
  .map((row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim()).toArray()"""

NOTED = {"sticking_out": STICKING_OUT, "overlapping": OVERLAPPING, "unnamed": UNNAMED, "anchors": ANCHORS, "links": LINKS, "texts": READ, "worked": WORKED}


@dataclass(frozen=True)
class Seen:
    """One page in one view, with what was noted: lists of sentences, empty where nothing is wrong, the addresses it links to, all that is read on it, how many
    controls its tables have, and the sizes of its printed sheets."""

    page: str
    view: str
    console: list
    requests: list
    sticking_out: list
    overlapping: list
    unnamed: list
    anchors: list
    links: list
    texts: list
    worked: int
    violations: list
    paper: list


@contextlib.contextmanager
def chromium():
    """A running headless browser. Root has no sandbox in a container."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


def look(browser, path, view, *, named, pictures, audit):
    """Open the file in a view and note what is wrong; audit: whether axe-core looks too.

    `named` is the page's name in findings and, with the view, in the folder `pictures`: PNG files, and the PDF of what is printed.
    """
    console, requests = [], []
    with opened(browser, path, view, console, requests) as page:
        stem = f"{named.replace('/', '-').removesuffix('.html')}.{view}"
        photograph(page, pictures, stem)
        noted = {name: page.evaluate(script) for name, script in NOTED.items()}
        violations = accessibility(page) if audit else []
        paper = sheets(page, pictures / f"{stem}.pdf") if view == "print" else []
    return Seen(named, view, console, requests, violations=violations, paper=paper, **noted)


def photograph(page, folder, stem):
    """The whole page as <stem>.1.png, <stem>.2.png and so on, from the top."""
    width, height = page.viewport_size["width"], page.evaluate("document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, height, PART), start=1):
        part = {"x": 0, "y": top, "width": width, "height": min(PART, height - top)}
        page.screenshot(path=folder / f"{stem}.{number}.png", full_page=True, clip=part)


@contextlib.contextmanager
def opened(browser, path, view="desktop", console=None, requests=None):
    """The page in a view of its own; what it writes to the console and what it asks a network for are put into the lists."""
    context = browser.new_context(**VIEWS[view])
    page = context.new_page()
    page.emulate_media(media="print" if view == "print" else "screen")
    if console is not None:
        page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: console.append(f"error: {error}"))
    if requests is not None:
        page.on("request", lambda request: requests.append(request.url) if request.url.split(":")[0] not in ("file", "data") else None)
    page.goto(path.resolve().as_uri())
    yield page
    context.close()


def accessibility(page):
    """The serious and critical violations that axe-core finds: rule, its words and the first places."""
    from axe_playwright_python.sync_playwright import Axe

    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in SERIOUS]
    return [f"{each['id']} ({each['impact']}), {len(each['nodes'])} places: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]


def sheets(page, path):
    """Print to a PDF; the sizes of its sheets in points."""
    page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    return [tuple(round(float(each)) for each in box.split()[2:]) for box in re.findall(rb"/MediaBox \[([^]]+)\]", path.read_bytes())]
