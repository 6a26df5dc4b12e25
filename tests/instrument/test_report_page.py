"""The report's page does in a browser what it says: it is looked at, filtered, resized, read back and attacked."""

import csv
import io
import json
import re
from contextlib import contextmanager
from functools import reduce
from statistics import median

import pytest
import report_extra  # noqa: F401
from browser import browser, note
from made_runs import FINGERPRINT, benchmark, row, run, write
from support import ROOT

from benchmarks.report import hooks
from pytest_duet.plugin import extensions
from pytest_duet.report import outputs as files
from pytest_duet.report.gather import gather

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
ALL = ROOT / "results" / "2026-11-21-cpu-2-cores-all.json"
FEW = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
ENTRIES = {entry["fullname"]: entry["extra_info"] for entry in json.loads(ALL.read_text())["benchmarks"]}
EVIL = "<script>alert(1)</script>"
LONG = "</script><img src=x onerror=alert(2)>"
FORMULA = "=1+1"
RUNS = 30
REJECTED, HELD, OTHER_MACHINE, SLOWER = 5, 8, 12, 21  # numbers of runs
# Columns of the comparison: where each is in a saved run, and how it is shown.
COLUMNS = {
    "epoch, s": ((), "{:.3f}"),
    "first epoch, s": (("first_epoch_seconds",), "{:.3f}"),
    "images/s": (("images_per_second",), "{:,.0f}"),
    "of the measured peak": (("limit_share",), "{:.0%}"),
    "live arrays, by the allocator, MiB": (("memory", "allocator_peak_bytes"), None),
    "host memory, peak RSS, MiB": (("memory", "host_peak_rss_bytes"), None),
    "accuracy": (("accuracy",), "{:.4f}"),
    "parity error: loss": (("parity", "loss"), "{:.0e}"),
    "update": (("parity", "update"), "{:.0e}"),
}


def made_run(number):
    """Return a run of three frameworks; it is slower from one run on, and on another machine from another."""
    seconds = (1.3 if number >= SLOWER else 1.0) * (1 + number * 7 % 5 / 500)
    machine = {**FINGERPRINT, "cpu": "Another one"} if number >= OTHER_MACHINE else FINGERPRINT
    rows = {}
    for place, name in enumerate(("jax", EVIL, FORMULA), start=1):
        made = row(name)
        trials, metrics = made["duet"]["trials"], made["duet"]["metrics"]
        for nth, trial in enumerate(trials):
            trial["first_seconds"], trial["seconds"] = place * 2 * seconds, place * seconds * (1 + (nth - 1) / 100)
            times = enumerate((trial["first_seconds"], trial["seconds"]), start=1)
            trial["rounds"] = [{"number": at, "seconds": its, "metrics": {"accuracy": 0.88}} for at, its in times]
            trial["memory"]["host_peak_rss_bytes"] = place * 2**28
        metrics["epoch_seconds"]["values"] = [trial["seconds"] for trial in trials]
        metrics["peak_memory_bytes"]["values"] = [place * 2**28] * len(trials)
        rows[benchmark(name)] = {**made, "workload": made["duet"]["workload"]}
    regressed = {"jax": "regressed"} if number in (HELD, RUNS) else {}
    saved = run(rows, regressed, number, fingerprint=machine)
    saved["commit_info"] = {"id": LONG, "branch": EVIL}
    return saved


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return two pages: ``all`` shows the run of the whole field, ``made`` the newest of a made-up history."""
    directory = tmp_path_factory.mktemp("pages")
    storage = directory / "storage"
    names = [write(storage, number, made_run(number)) for number in range(1, RUNS + 1)]
    decision = {"action": "reject", "runs": [names[REJECTED - 1]], "restarts": [], "when": "", "who": EVIL, "why": LONG}
    (storage / "gate").mkdir()
    (storage / "gate" / "decisions.jsonl").write_text(json.dumps(decision) + "\n")
    found = {"all": directory / "all.html", "made": directory / "made.html"}
    hook = extensions.manager(hooks).hook
    list(files.write(gather([ALL, FEW], storage), page_file=found["all"], hook=hook))
    list(files.write(gather([], storage), page_file=found["made"], hook=hook))
    return found


@pytest.fixture(scope="module")
def started():
    with browser() as its:
        yield its


@contextmanager
def opened(started, path, width=1400, scheme="light"):
    """Open a page; at the end it must have asked for nothing, and complained of nothing."""
    context = started.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    note(page)
    page.goto(path.as_uri())
    try:
        yield page
        assert page.noted == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def wide(started, pages):
    """The page of the whole field, all charts drawn. Tests only read it, and the first says whether it complained."""
    context = started.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    note(page)
    page.goto(pages["all"].as_uri())
    draw(page)
    yield page
    context.close()


@pytest.fixture
def made(started, pages):
    """The made-up page, for one test alone."""
    with opened(started, pages["made"]) as page:
        yield page


@pytest.fixture
def whole_field(started, pages):
    """The page of the whole field, for one test alone."""
    with opened(started, pages["all"]) as page:
        yield page


def draw(page, charts=".chart"):
    """Scroll to every chart that can be seen, and wait until it is drawn."""
    for chart in page.locator(charts).all():
        if chart.is_visible():
            chart.scroll_into_view_if_needed()
            page.wait_for_function("chart => 'drawn' in chart.dataset", arg=chart.element_handle())


def embedded(page):
    return json.loads(page.locator("#data").text_content())


def drawn(page, name):
    """Return how many marks the charts whose name so begins say they show."""
    return page.evaluate(
        "name => [...document.querySelectorAll('.chart')].filter(chart => chart.dataset.chart.startsWith(name))"
        ".reduce((sum, chart) => sum + Number(chart.dataset.drawn), 0)",
        name,
    )


def wait_for_drawn(page, name, marks):
    page.wait_for_function(
        "([name, marks]) => [...document.querySelectorAll('.chart')].filter(chart => chart.dataset.chart"
        ".startsWith(name)).reduce((sum, chart) => sum + Number(chart.dataset.drawn), 0) === marks",
        arg=[name, marks],
        timeout=5_000,
    )


def box(page, name, value):
    """Return a filter's checkbox."""
    return page.locator(f"#filters input[name='{name}'][value='{value}']")


def symbols(chart):
    """Return the points of a chart's SVG, those of its legend left out."""
    return chart.locator(".mark-symbol.role-mark path")


def tooltip(page, mark):
    """Return what is said when the mouse is over a mark."""
    mark.scroll_into_view_if_needed()
    # Into the middle: a header that sticks must not be over it.
    mark.evaluate("mark => mark.scrollIntoView({ block: 'center' })")
    place = mark.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.wait_for_selector("#vg-tooltip-element.visible")
    return page.locator("#vg-tooltip-element").inner_text()


def download(page, button):
    with page.expect_download() as waiting:
        page.click(button)
    return waiting.value.path().read_bytes().decode()


def seconds(entry):
    """Return what the page calls an epoch's time: where no epoch was whole, that of the steps that were trained."""
    return entry["epoch_seconds"] or median(trial["epoch_seconds"] for trial in entry["trials"])


def test_every_chart_is_drawn_and_nothing_is_asked_for(wide):
    empty = wide.evaluate(
        """() => [...document.querySelectorAll(".chart")].filter(
            (chart) => !chart.querySelector("canvas, svg .role-mark :is(path, line)") || !(chart.dataset.drawn > 0)
        ).map((chart) => chart.dataset.chart)"""
    )
    assert empty == [] and wide.locator(".chart").count() > 18
    assert wide.noted == []


@pytest.mark.parametrize("policy", [True, False])
def test_a_page_that_asks_for_something_is_found_out(started, pages, tmp_path, policy):
    """Nothing answers at this address; with the page's policy the browser says that it did not even ask."""
    text = pages["made"].read_text()
    text = text if policy else re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    (tmp_path / "page.html").write_text(text.replace("</main>", '<img alt="" src="http://127.0.0.1:9/x.png"></main>'))
    page = started.new_page()
    note(page)
    page.goto((tmp_path / "page.html").as_uri())
    page.close()
    assert any("Content Security Policy" in text for text in page.noted) == policy
    assert policy or "request: http://127.0.0.1:9/x.png" in page.noted


def test_a_framework_s_filter_takes_it_away_and_gives_it_back(made):
    draw(made, "[data-chart^=comparison], [data-chart^=trials], [data-chart=budget]")
    data = embedded(made)
    every, its = len(data["comparison"]), [row["subject"] for row in data["comparison"]].count("jax")
    rows = made.locator("table.comparison tbody tr:visible")
    assert its and (rows.count(), drawn(made, "comparison")) == (every, every)
    box(made, "subject", "jax").uncheck()
    wait_for_drawn(made, "comparison", every - its)
    assert rows.count() == every - its
    assert made.locator("[data-subject='jax']:visible").count() == 0
    wait_for_drawn(made, "trials", sum(row["subject"] != "jax" for row in data["trials"]))
    box(made, "subject", "jax").check()
    wait_for_drawn(made, "comparison", every)
    assert rows.count() == every
    assert made.locator("[data-subject='jax']:visible").count()


def test_other_filters_treat_tables_and_charts_alike(whole_field):
    draw(whole_field, "[data-chart^=comparison], [data-chart=budget]")
    box(whole_field, "execution", "eager").uncheck()
    left = sum(row["labels"]["execution"] != "eager" for row in embedded(whole_field)["comparison"])
    wait_for_drawn(whole_field, "comparison", left)
    assert whole_field.locator("table.comparison tbody tr:visible").count() == left
    budget = whole_field.locator("section[aria-labelledby=budget] tbody tr:visible")
    charted = sum(row["labels"]["execution"] != "eager" for row in embedded(whole_field)["budget"])
    wait_for_drawn(whole_field, "budget", charted)
    assert budget.count() == charted


def test_a_filter_that_leaves_nothing_is_no_error(made):
    draw(made)
    for checkbox in made.locator("#filters input").all():
        checkbox.uncheck()
    wait_for_drawn(made, "comparison", 0)
    assert made.locator("table.comparison tbody tr:visible").count() == 0


def test_quick_toggles_end_as_the_last_one(made):
    draw(made, "[data-chart^=comparison]")
    box(made, "subject", "jax").evaluate("box => { for (let n = 0; n < 5; n++) box.click(); }")
    wait_for_drawn(made, "comparison", 2)
    made.wait_for_timeout(500)  # an earlier drawing must not come last
    chart = made.locator("[data-chart^=comparison]")
    assert (symbols(chart).count(), chart.locator("svg").count()) == (2, 1)


def test_a_tooltip_says_the_figure(wide):
    for chart in wide.locator("[data-chart^=comparison]").all()[:2]:
        group = chart.get_attribute("data-chart").partition(":")[2]
        rows = [row for row in embedded(wide)["comparison"] if row["group"] == group]
        assert symbols(chart).count() == len(rows)
        for place, its in list(enumerate(rows))[:2]:
            said = tooltip(wide, symbols(chart).nth(place))
            assert its["subject"] in said
            assert f"{seconds(ENTRIES[its['benchmark']]):.4f}" in said


def test_the_json_that_is_downloaded_is_the_page_s(wide, pages):
    text = download(wide, "#download-json")
    data = json.loads(text)
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', pages["all"].read_text())
    assert text == block and data == embedded(wide)
    shown = {row["benchmark"]: row["seconds"] for row in data["comparison"]}
    assert shown == {name: seconds(entry) for name, entry in ENTRIES.items()}


def test_the_csv_that_is_downloaded_has_a_line_a_point(wide):
    data, lines = embedded(wide), list(csv.DictReader(io.StringIO(download(wide, "#download-csv"), newline="")))
    runs, points = data["runs"], data["points"]
    columns = {**points, **points["metrics"]}
    del columns["run"], columns["benchmark"], columns["metrics"]
    assert len(lines) == len(points["run"]) > 3 * RUNS and "accuracy" in columns
    for place, line in enumerate(lines):
        at, entry = points["run"][place], data["benchmarks"][points["benchmark"][place]]
        assert line["subject"].removeprefix("'") == entry["subject"] and line["benchmark"] == entry["benchmark"]
        assert [line["run"], *(line[what] for what in ("when", "commit", "branch", "state"))] == [
            (runs[what][at] or "") for what in ("name", "when", "commit", "branch", "state")
        ]
        figures = {what: float(line[what]) if line[what] else None for what in columns}
        assert figures == {what: columns[what][place] for what in figures} and figures["seconds"]
        assert not line["subject"].startswith("=")  # a spreadsheet would take it for a formula


def test_the_comparison_s_figures_are_the_saved_ones(wide):
    tables = wide.evaluate(
        """() => [...document.querySelectorAll("table.comparison")].map((table) => ({
            titles: [...table.tHead.rows[0].cells].map((cell) => cell.textContent),
            rows: [...table.tBodies[0].rows].map((row) => ({
                benchmark: row.dataset.benchmark,
                cells: [...row.cells].map((cell) => [cell.dataset.value, cell.textContent]),
            })),
        }))"""
    )
    read = set()
    for table in tables:
        for shown in table["rows"]:
            for title, (value, text) in zip(table["titles"], shown["cells"]):
                if value is None:
                    continue
                title = re.sub(r"\d+ steps", "epoch", title)
                if title == "times the fastest":
                    assert text == f"{float(value):.2f}" and float(value) >= 1
                    continue
                path, form = COLUMNS[title]
                saved = ENTRIES[shown["benchmark"]]
                saved = reduce(dict.get, path, saved) if path else seconds(saved)
                if path == ("limit_share",) and saved is not None and saved > 1:
                    saved = None  # a limit that was beaten was none; this run's was measured in others' load
                assert (float(value) if value else None) == saved, (shown["benchmark"], title)
                rounded = "-" if saved is None else form.format(saved) if form else f"{saved / 2**20:,.0f}"
                assert text == rounded, (shown["benchmark"], title)
                read.add((shown["benchmark"], title))
    assert {benchmark for benchmark, _ in read} == set(ENTRIES)
    assert len(read) == len(ENTRIES) * len({title for _, title in read}) > 7 * len(ENTRIES)


def test_nothing_is_cut_off_on_a_wide_screen(wide):
    assert layout_problems(wide) == []


def test_nothing_is_cut_off_on_a_telephone(started, pages):
    with opened(started, pages["all"], width=400) as page:
        draw(page)
        assert layout_problems(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_axe_finds_nothing(started, pages, width, scheme):
    with opened(started, pages["made"], width, scheme) as page:
        # One of each kind is opened: the trends' are alike.
        page.locator("details:not(.trend ~ .trend details)").evaluate_all(
            "found => found.forEach(its => its.open = true)"
        )
        # What is in a chart is hidden from screen readers on purpose.
        found = Axe().run(page, {"exclude": [[".chart svg"]]}).response
    assert [(its["id"], [node["html"][:200] for node in its["nodes"]]) for its in found["violations"]] == []
    assert "color-contrast" in {its["id"] for its in found["passes"]}  # the most telling rule was applied


def layout_problems(page):
    """Return what sticks out of the document, of a chart's element, or of a chart's picture."""
    return page.evaluate(
        """() => {
            const problems = [], out = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1;
            const { scrollWidth } = document.documentElement;
            if (scrollWidth > innerWidth) problems.push(`the document is ${scrollWidth} wide`);
            for (const chart of document.querySelectorAll(".chart")) {
                const whole = chart.getBoundingClientRect(), picture = chart.querySelector("svg, canvas");
                const its = picture.getBoundingClientRect(), name = `${chart.dataset.chart} (${whole.width} wide)`;
                const below = its.bottom > whole.bottom + 8; // an inline picture's line is a little higher than it
                if (out(its, whole) || below) problems.push(`${name}: the picture is ${its.width} wide`);
                const cut = [...picture.querySelectorAll("text")].filter((text) => {
                    const box = text.getBoundingClientRect();
                    return box.width && text.getAttribute("opacity") !== "0" && out(box, its);
                });
                if (cut.length) problems.push(`${name}: cut off: ${cut.map((text) => text.textContent).join(", ")}`);
            }
            return problems;
        }"""
    )


def test_charts_follow_the_window_and_the_colour_scheme(made):
    draw(made)
    ink = "() => document.querySelector('.chart svg text').getAttribute('fill')"
    light = made.evaluate(ink)
    made.emulate_media(color_scheme="dark")
    made.wait_for_function(f"before => ({ink})() !== before", arg=light, timeout=5_000)
    made.set_viewport_size({"width": 400, "height": 900})
    made.wait_for_function(
        "() => [...document.querySelectorAll('.chart svg')].every((svg) => svg.getBoundingClientRect().width <= 400)",
        timeout=5_000,
    )
    assert made.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_trend_that_was_away_comes_back_whole(made):
    """It is redrawn while it is hidden, and then has no width."""
    trend = ".trend[data-subject='jax']"
    draw(made, f"{trend} .chart")
    width = made.locator(f"{trend} svg").bounding_box()["width"]
    box(made, "subject", "jax").uncheck()
    made.select_option("#metric", "peak_memory_bytes")
    made.wait_for_timeout(500)  # nothing tells that a hidden chart will not be drawn
    box(made, "subject", "jax").check()
    draw(made, f"{trend} .chart")
    made.wait_for_timeout(500)
    assert made.locator(f"{trend} svg").bounding_box()["width"] == pytest.approx(width, abs=20)


def test_the_metric_changes_the_trends(made):
    """Both what is drawn, and what it is called."""
    chart = made.locator(".trend[data-subject='jax'] .chart")
    draw(made, ".trend[data-subject='jax'] .chart")
    assert "epoch time, s" in chart.text_content()
    assert re.search(r"1\.\d", tooltip(made, symbols(chart).last))
    made.mouse.move(0, 0)
    for metric, title, figure in (("peak_memory_bytes", "MiB", "256"), ("accuracy", "accuracy", "0.88")):
        before = chart.locator("svg").element_handle()
        made.select_option("#metric", metric)
        made.wait_for_function("svg => !svg.isConnected", arg=before, timeout=5_000)
        symbols(chart).first.wait_for()
        said = tooltip(made, symbols(chart).last)
        assert figure in said
        made.mouse.move(0, 0)
        shown = chart.text_content()
        assert title in shown and "epoch time" not in shown + said and "from" not in said


def test_a_trend_shows_held_and_rejected_runs_changes_and_the_window(made):
    data = embedded(made)
    states = dict(zip(data["runs"]["name"], data["runs"]["state"]))
    assert [states[name] for name in sorted(states)].count("accepted") == RUNS - 3
    assert data["runs"]["state"][REJECTED - 1] == "rejected" and data["runs"]["state"][HELD - 1] == "pending"
    (jax,) = [entry for entry in data["benchmarks"] if entry["subject"] == "jax"]
    assert [change["run"] for change in jax["changes"]] == [SLOWER - 1]
    assert [change["run"] for change in jax["breaks"]] == [OTHER_MACHINE - 1]
    draw(made, ".trend[data-subject='jax'] .chart")
    chart = made.locator(".trend[data-subject='jax'] .chart")
    assert symbols(chart).count() == RUNS
    assert len(set(symbols(chart).evaluate_all("marks => marks.map((mark) => mark.getAttribute('d'))"))) == 3
    assert chart.locator(".mark-rect.role-mark path").count() == 1
    rules = chart.locator(".mark-rule.role-mark line").evaluate_all(
        "lines => lines.map((line) => line.getAttribute('stroke'))"
    )
    assert (rules.count("#d55e00"), rules.count("#8a63c9")) == (1, 1)


def test_every_control_is_reached_by_tab_and_seen(made):
    """Those in closed details are not there until they are opened."""
    draw(made)  # whatever is drawn later would move what has the focus
    made.locator("details").evaluate_all("found => found.forEach(its => its.open = true)")
    wanted = made.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
            .filter((element) => element.checkVisibility())
            .map((element, place) => (element.dataset.place = place)).length"""
    )
    reached = []
    for _ in range(wanted):
        made.keyboard.press("Tab")
        reached.append(
            made.evaluate(
                """() => {
                    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                    const { left, right, top, bottom } = document.activeElement.getBoundingClientRect();
                    // A region higher than the screen is seen if any of its middle is.
                    const x = (left + Math.min(right, innerWidth)) / 2;
                    const y = (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2;
                    const there = document.elementFromPoint(x, y);
                    return {
                        place: Number(document.activeElement.dataset.place),
                        outline: outlineStyle !== "none" && parseFloat(outlineWidth) > 0,
                        seen: document.activeElement.contains(there) || there?.contains(document.activeElement),
                        html: document.activeElement.outerHTML.slice(0, 100),
                    };
                }"""
            )
        )
    assert wanted > 20 and [stop["place"] for stop in reached] == list(range(wanted))
    assert [stop["html"] for stop in reached if not (stop["outline"] and stop["seen"])] == []


def test_space_toggles_a_filter(made):
    draw(made, "[data-chart^=comparison]")
    box(made, "subject", "jax").focus()
    made.keyboard.press("Space")
    wait_for_drawn(made, "comparison", 2)
    assert not made.locator("tr[data-subject='jax']").first.is_visible()


def test_links_lead_to_headings_that_are_seen(whole_field):
    """What sticks to the top must not cover them."""
    covered = []
    for link in whole_field.locator("nav a").all():
        link.evaluate("link => link.click()")
        heading = whole_field.locator(link.get_attribute("href"))
        seen = """heading => {
            const { left, top, height } = heading.getBoundingClientRect();
            return heading.contains(document.elementFromPoint(left + 5, top + height / 2));
        }"""
        whole_field.wait_for_timeout(50)
        if not heading.evaluate(seen):
            covered.append(heading.inner_text())
    assert covered == []


def test_names_are_text_wherever_they_stand(made):
    """A dialog, too, would be noted when the page is closed."""
    draw(made)
    assert made.locator("img, iframe, main script, .chart script, header script").count() == 0
    assert EVIL in made.locator("header").inner_text() and LONG[:10] in made.locator("header").inner_text()
    text = made.locator("main").inner_text()
    assert benchmark(EVIL) in text and LONG in made.locator("section[aria-labelledby=about]").inner_text()
    assert EVIL in made.locator("table.comparison").inner_text()
    assert EVIL in made.locator("[data-chart^=comparison] svg").text_content()
    chart = made.locator("[data-chart^=comparison]")
    said = [tooltip(made, mark) for mark in symbols(chart).all()]
    assert any(EVIL in text for text in said)
    assert made.locator("#vg-tooltip-element script").count() == 0


def test_names_cannot_end_the_data(made):
    data = embedded(made)
    assert {row["subject"] for row in data["comparison"]} == {"jax", EVIL, FORMULA}
    assert set(data["runs"]["branch"]) == {EVIL} and set(data["runs"]["commit"]) == {LONG[:12]}
