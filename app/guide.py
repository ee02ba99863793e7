"""How to read the answer, and when not to believe it."""

GUIDE = """
<div class="guide">
<section><h4>Influence is not similarity</h4>
<p>CLIP, DINO and pixels find training images that <em>look like</em> the picture. AbU asks the model
itself: it unlearns the picture, and sees which training images are forgotten with it. An image can
look alike and have taught nothing, or look different and have taught much. Where the strips agree,
similarity was a fair guide; where they differ, it was not.</p></section>
<section><h4>What the number is</h4>
<p>An AbU score is the rise of the training image's own loss once the picture is unlearned: larger
means more forgotten. It is measured on random noise, so it has a <em>standard error</em>, written
behind ±. Two images whose scores differ by less than that are in no particular order. (What another
seed of the unlearning itself would move is written apart, into the JSON, as
<em>unlearning_seed_spread</em>.) The other methods' scores are cosine similarities without sampling
error. Scores of different methods have different units and cannot be compared; ranks can.</p></section>
<section><h4>When not to believe it</h4>
<p>The best of thousands always beats one at random, so the top of a strip is no proof by itself.
An image marked ✦ <em>stands out</em>: its first-order score is larger, against its own scores under
control pictures of unrelated captions, than the best of all images is for nineteen controls in twenty.
An image without the mark may be first by chance. If the page warns that the
picture is unlike the training set, or its caption has words the model never saw, trust little.
And leaving out a single image seldom changes a picture that anyone can see: many taught the
same.</p></section>
<section><h4>How far it looked</h4>
<p><em>Instant</em> looks up: neighbours, and <em>first order</em>, which predicts from gradients how
much every training image would be forgotten. <em>Refined</em> unlearns, measures the most promising
and measures the best of them again on fresh noise, because a winner's own draws flatter it.
<em>Exhaustive</em> measures every training image alike and misses none.</p></section>
</div>
"""
