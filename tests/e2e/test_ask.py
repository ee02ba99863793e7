"""Asking a question on the page, by pointer, keys and finger, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Route, expect

from tests.e2e.conftest import Open

HOSTILE = '<img src=x onerror="window.harmed=1"> ${window.harmed=1} a dog on snow'


def test_stop_ends_a_long_run_and_leaves_the_page_usable(open_page: Open) -> None:
    visit = open_page()
    visit.generate()
    visit.choose("abu", "clip")
    visit.effort("exhaustive")
    visit.page.locator("#attribute").click()
    expect(visit.strip("clip").locator(".cell[data-id]").first).to_be_visible()
    expect(visit.status).to_contain_text("Unlearning")
    visit.page.locator("#stop").click()
    expect(visit.status).to_have_attribute("data-state", "idle")
    expect(visit.status).to_contain_text("Stopped")
    expect(visit.strip("clip").locator(".cell[data-id]").first).to_be_visible()  # what was done stays

    expect(visit.status).to_contain_text("has no link")
    visit.effort("instant")
    visit.attribute()
    assert visit.page.locator(".strip").count() == 1
    expect(visit.status).to_contain_text("was not asked")  # AbU is ticked still, and measures


def test_a_page_that_is_left_while_it_computes_is_left_however_long_the_next_one_takes(
    open_page: Open,
) -> None:
    """Law: Whoever follows a link while something is computed gets there, however late it answers."""
    visit = open_page()
    visit.generate()
    visit.choose("abu")
    visit.effort("exhaustive")
    visit.page.locator("#attribute").click()
    expect(visit.status).to_contain_text("Unlearning")
    address = f"{visit.page.url}late"

    def late(route: Route) -> None:
        visit.page.wait_for_timeout(4_000)
        route.fulfill(body="at last")

    visit.page.route(address, late)
    visit.page.evaluate("address => { location.href = address; }", address)
    expect(visit.page.locator("body")).to_have_text("at last")


def test_the_picture_can_be_watched_while_it_is_made(open_page: Open) -> None:
    visit = open_page()
    visit.page.evaluate(
        "() => { window.seen = new Set(); new MutationObserver(() => window.seen.add("
        "document.querySelector('.stage').className)).observe(document.querySelector('.stage'), "
        "{ attributes: true }); }"
    )
    visit.generate(steps=40)
    assert any("is-preview" in name for name in visit.page.evaluate("[...window.seen]"))
    assert "is-preview" not in str(visit.page.locator(".stage").get_attribute("class"))


def test_control_enter_in_the_prompt_generates(open_page: Open) -> None:
    visit = open_page()
    visit.page.locator("#prompt textarea").fill("a cow on a field")
    visit.page.keyboard.press("Control+Enter")
    expect(visit.legend).to_contain_text("a cow on a field")


def test_nothing_that_is_written_is_cut_or_lost(open_page: Open) -> None:
    """Law: A prompt outlives a reload, is never cut, and what of it is not read is said."""
    visit = open_page()
    prompt = visit.page.locator("#prompt textarea")
    prompt.fill("a dog " * 400)
    visit.page.locator("#generate").click()
    expect(visit.status).to_have_attribute("data-state", "failed")
    expect(visit.status).to_contain_text("2,399 characters")
    long = "a dog on a table and a cat and a cow and a zebra and a panda and a penguin"
    prompt.fill(long)
    visit.page.reload()
    expect(prompt).to_have_value(long)
    visit.generate(long, steps=1)
    expect(visit.status).to_contain_text("does not read “")


def test_the_seed_can_be_randomised_and_reused(open_page: Open) -> None:
    visit = open_page()
    visit.generate(steps=1)
    seed = visit.page.locator("#seed input")
    visit.page.locator("#randomise").click()
    expect(seed).not_to_have_value("0")
    visit.page.locator("#reuse").click()
    expect(seed).to_have_value("0")


def test_an_example_asks_its_question_by_itself(open_page: Open) -> None:
    visit = open_page()
    visit.choose("clip", "pixel")
    visit.effort("instant")
    visit.page.get_by_role("tab", name="Examples").click()
    visit.page.locator("#examples [data-index]").first.click()
    expect(visit.status).to_have_attribute("data-state", "done")
    assert visit.page.locator(".strip").count() == 2


def test_a_hostile_prompt_is_shown_as_text(open_page: Open) -> None:
    """Law: A hostile prompt is shown as text."""
    visit = open_page()
    visit.generate(HOSTILE, steps=1)
    assert visit.legend.locator("img").count() == 0
    visit.choose("clip-text")
    visit.effort("instant")
    visit.attribute()
    assert visit.page.evaluate("window.harmed") is None


def test_the_box_can_be_drawn_and_moved_by_keys_and_typed(open_page: Open) -> None:
    visit = open_page()
    visit.generate(steps=1)
    visit.page.locator(".stage").focus()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("ArrowRight")
    visit.page.get_by_role("button", name="Type the box").click()
    expect(visit.page.locator("#box-left input")).to_have_value("0.3125")
    visit.page.locator("#box-left input").fill("0.5")
    visit.page.locator("#box-left input").press("Enter")
    expect(visit.page.locator("#parts")).to_contain_text("5 × 8")
    visit.page.locator("#box-right input").fill("0.4")
    visit.page.locator("#box-right input").press("Enter")
    expect(visit.status).to_contain_text("reversed")
    visit.page.locator("#box-right input").fill("0.9")
    visit.page.locator("#box-right input").press("Enter")
    expect(visit.status).not_to_contain_text("reversed")
    visit.page.locator("#clear-box").click()
    expect(visit.page.locator("#parts")).to_contain_text("whole picture")


def test_of_boxes_that_are_drawn_quickly_the_last_is_asked_about(open_page: Open) -> None:
    """Law: A box that is drawn while the answer to another is on its way is not lost."""
    visit = open_page()
    visit.generate(steps=1)
    visit.page.evaluate(
        """async () => {
            const stage = document.querySelector(".stage"), area = stage.getBoundingClientRect();
            stage.setPointerCapture = () => {};
            const at = (type, x) => stage.dispatchEvent(new PointerEvent(type, {
                bubbles: true, button: 0, pointerId: 1, pointerType: "mouse",
                clientX: area.left + x * area.width, clientY: area.top + x * area.height,
            }));
            for (const [from, to] of [[0.1, 0.5], [0.2, 0.7], [0.5, 1]]) {
                at("pointerdown", from); at("pointermove", to); at("pointerup", to);
                await new Promise((done) => setTimeout(done, 80)); // nobody draws two at once
            }
        }"""
    )
    visit.page.get_by_role("button", name="Type the box").click()
    expect(visit.page.locator("#box-left input")).to_have_value("0.5")
    expect(visit.page.locator(".stage-drawn")).to_have_attribute("style", re.compile("left: 50%"))


def test_a_box_can_be_drawn_with_a_finger(open_page: Open) -> None:
    visit = open_page(width=360, height=780)
    visit.generate(steps=1)
    visit.page.locator(".stage").scroll_into_view_if_needed()
    visit.page.evaluate(
        """() => {
            const stage = document.querySelector(".stage"), area = stage.getBoundingClientRect();
            stage.setPointerCapture = () => {};
            const touch = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {
                pointerType: "touch", pointerId: 7, isPrimary: true, bubbles: true, button: 0,
                clientX: area.left + x * area.width, clientY: area.top + y * area.height,
            }));
            touch("pointerdown", 0.25, 0.25);
            touch("pointermove", 0.5, 0.6);
            touch("pointerup", 0.75, 0.75);
        }"""
    )
    expect(visit.page.locator("#parts")).to_contain_text("8 × 8")


def test_a_phone_never_scrolls_sideways(open_page: Open) -> None:
    visit = open_page(width=360, height=740, dark=True)
    width = "document.documentElement.scrollWidth - window.innerWidth"
    assert visit.page.evaluate(width) <= 0
    visit.generate("a cat on a table", steps=2)
    visit.choose("clip", "dino", "pixel")
    visit.effort("instant")
    visit.attribute()
    assert visit.page.evaluate(width) <= 0
    visit.page.get_by_role("tab", name="Compare").click()
    assert visit.page.evaluate(width) <= 0
    expect(visit.page.locator("#attribute")).to_be_in_viewport()  # and the button is at hand
    expect(visit.status).to_be_in_viewport()


def test_terms_explain_themselves_under_the_pointer_and_at_the_focus(open_page: Open) -> None:
    visit = open_page()
    tip = visit.page.locator("#tip")
    visit.all_methods()
    visit.page.locator('#methods label:has([name="abu"])').hover()
    expect(tip).to_contain_text("forgotten")
    visit.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    visit.page.locator("#known button").last.focus()
    visit.page.keyboard.press("Tab")
    expect(tip).to_contain_text("the same picture")  # of the seed
    assert visit.page.evaluate("document.querySelector('[aria-describedby=tip]') !== null")


def test_methods_stand_in_titled_groups_and_what_is_ticked_is_asked(open_page: Open) -> None:
    """Law: On the page each family of methods is a group of its own, and what is ticked is asked."""
    visit = open_page()
    groups, asked = (
        visit.page.locator("#methods").get_by_role("group"),
        visit.page.locator(".methods-asked"),
    )
    expect(asked).to_contain_text("D-TRAK")  # one of those that are asked unless others are ticked
    expect(groups).to_have_count(0)
    visit.all_methods()
    for title in ("Unlearning", "Influence functions", "Likeness"):
        expect(groups.and_(visit.page.get_by_role("group", name=title, exact=True))).to_have_count(1)
    visit.generate(steps=1)
    visit.choose()
    expect(asked).to_contain_text("none")
    visit.page.locator("#attribute").click()
    expect(visit.status).to_contain_text("at least one method")
    visit.effort("instant")
    for name in ("bm25", "relatif"):
        visit.page.locator(f'#methods label:has([name="{name}"])').click()
    expect(asked.locator("em")).to_have_text(["RelatIF", "Words (BM25)"])
    visit.attribute()
    shown = visit.page.locator(".strip").evaluate_all("all => all.map((one) => one.dataset.method)")
    assert shown == ["relatif", "bm25"]
