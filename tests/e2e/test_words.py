"""The words that the model knows, as a person presses and types them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Open


def test_a_prompt_is_pressed_together_and_enter_generates_it(open_page: Open) -> None:
    """Law: Words under the prompt write it as captions would, and Enter generates."""
    visit = open_page()
    prompt, known = visit.page.locator("#prompt textarea"), visit.page.locator("#known")
    for word in ("cat", "rocket", "the moon"):
        known.get_by_role("button", name=word, exact=True).click()
    expect(prompt).to_have_value("a cat and a rocket on the moon")
    expect(visit.page.locator("#unsaid mark")).to_have_count(0)
    prompt.press("Enter")
    expect(visit.legend).to_contain_text("a cat and a rocket on the moon")
    expect(prompt).to_have_value("a cat and a rocket on the moon")  # and no line was broken


def test_words_that_no_caption_has_are_marked_while_they_are_typed(open_page: Open) -> None:
    visit = open_page()
    prompt, unsaid = visit.page.locator("#prompt textarea"), visit.page.locator("#unsaid mark")
    prompt.press_sequentially("a dragon and a <b>wyvern</b> on the moon")
    expect(unsaid).to_have_text(["dragon", "b", "wyvern"])
    prompt.fill("a cat on the moon")
    expect(unsaid).to_have_count(0)


def test_the_words_are_one_stop_a_line_and_arrow_keys_go_along_it(open_page: Open) -> None:
    """Law: A line of words is one stop of the Tab key, and the arrow keys go along it."""
    visit = open_page()
    prompt, lines = visit.page.locator("#prompt textarea"), visit.page.locator("#known .known-group")
    prompt.focus()
    for number in range(lines.count()):
        visit.page.keyboard.press("Tab")
        expect(lines.nth(number).locator("button").first).to_be_focused()
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator("#seed input")).to_be_focused()
    lines.first.locator("button").first.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("Enter")
    second = lines.first.locator("button").nth(1)
    expect(second).to_be_focused()
    expect(prompt).to_have_value(str(second.get_attribute("data-word")))
