"""Models customised on a few exemplars of one concept: a truth that is known without retraining."""
