"""Laws of the words that explain a term."""

from __future__ import annotations

from app.frontend.evidence import NOT_MEASURED
from app.frontend.glossary import tips, tips_script
from app.views.guide import GUIDE
from attribution.analysis.evidence import Estimate, Evidence, MethodEvidence

METHOD = '#methods :is(label:has([name="{0}"]), [data-method="{0}"])'.format


def test_every_term_is_explained_in_words_that_cannot_end_the_script() -> None:
    words = tips(None)
    assert set(words) >= {METHOD("abu"), ".stderr", ".out"}
    assert all(text.endswith(".") for text in words.values())
    assert "<" not in tips_script(None)
    assert GUIDE.count("<li>") == 11


def test_a_methods_words_quote_what_retraining_found_of_it() -> None:
    """Law: What retraining found of a method is quoted for the model that it was found for alone."""
    assert all(tips(None)[METHOD(name)].endswith(NOT_MEASURED) for name in ("abu", "clip"))
    removal, share = Estimate(0.123, 0.08, 0.15), Estimate(0.55, 0.4, 0.7)
    found = Evidence(1, "t", ("m",), "demo-2500", 8, 50, {"abu": MethodEvidence(removal, share, same=0.44)})
    assert tips(found)[METHOD("abu")].endswith(
        "rises by 12.3% (8.0% to 15.0%) beyond chance; 55% (40% to 70%) of what images of the same objects "
        "do. Of the first 50 that it names under that reference, the full model shares 44%."
    )
    assert tips(found)[METHOD("clip")].endswith(NOT_MEASURED)


def test_a_methods_words_say_whether_its_boxes_were_borne_out() -> None:
    removal = Estimate(0.123, 0.08, 0.15)
    for boxed, words in (
        (Estimate(0.117, 0.084, 0.154), "by 11.7 percentage points (8.4 to 15.4) more than inside the box"),
        (Estimate(0.02, -0.01, 0.05), "does not clearly hurt that object more than another."),
    ):
        measured = MethodEvidence(removal, boxed=boxed)
        found = Evidence(1, "t", ("m",), "demo-2500", 8, 50, {"abu": measured})
        assert words in tips(found)[METHOD("abu")]
