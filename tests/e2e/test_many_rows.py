"""The page over very many rows, in a real browser: found, paged through, looked at, and asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from app.runs.library import PAGE
from attribution.workspace.workspace import Workspace
from tests.e2e.conftest import Open, ids_of, serving
from tests.e2e.test_library import cells, head, ids, opened
from tests.worlds.many_rows import PICTURES, RARE, SHELVES, in_workspace, many_rows

ROWS = 60_000


@pytest.fixture(scope="module")
def server(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page over so many rows, in place of the tiny world's."""
    folder = tmp_path_factory.mktemp("many")
    in_workspace(many_rows(folder, ROWS), folder, tiny_world)
    with serving(tmp_path_factory.mktemp("server"), workspace=folder) as address:
        yield address


def test_many_rows_are_found_paged_through_looked_at_and_asked(open_page: Open) -> None:
    """Law: A training set of sixty thousand rows is used in the browser as one of a hundred is."""
    visit = open_page(width=1440)
    page = opened(visit)
    expect(head(page)).to_have_text(f"All {ROWS:,} training images")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".pager")).to_contain_text(f"{PAGE + 1} to {2 * PAGE}")
    page.goto(page.url.replace("page=2", f"page={-(-ROWS // PAGE)}"))
    expect(page.locator(".pager")).to_contain_text(f"to {ROWS:,}")
    assert ids(page)[-1] == f"train-{ROWS - 1:06}"
    page.get_by_role("searchbox").fill("number 7")
    page.keyboard.press("Enter")
    having = [f"train-{row:06}" for row in range(7, ROWS, RARE)]
    expect(cells(page)).to_have_count(len(having))
    assert ids(page) == having
    cells(page).nth(1).click()
    dialog, row = page.locator("dialog.detail"), RARE + 7
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", f"train-{row:06}")
    expect(dialog).to_contain_text(f"square number {row % RARE}")
    page.wait_for_function("document.querySelector('dialog.detail img').naturalWidth > 0")
    dialog.get_by_role("button", name="Use as query").click()
    expect(page.locator("#attribute")).to_be_enabled()
    visit.choose("pixel")
    visit.effort("instant")
    visit.attribute()
    nearest = ids_of(visit.strip("pixel"))
    assert len(nearest) >= 20
    assert {int(each.removeprefix("train-")) % PICTURES for each in nearest} == {row % PICTURES}
    shelf = SHELVES[row % PICTURES]
    expect(page.locator(".finding")).to_contain_text(f"20 of the first 20 have “{shelf}” as their shelf")
    expect(page.locator(".finding")).to_contain_text("12.5% of the whole training set do")
    expect(page.locator(".copy-link")).to_be_enabled()  # it is kept: the server ends with nothing under way
