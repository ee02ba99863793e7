"""How the embedded world is made: scenes, captions, and the models trained on them."""
