"""Models taught one concept from a few exemplars: do methods name them? (The AbC benchmark's question.)"""
