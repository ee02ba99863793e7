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
