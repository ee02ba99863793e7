"""Is it true? Models trained again without the images that an attribution names, and what they show.

A *recipe* is a command that trains a model without some images. A *panel* is fixed pictures of targets
and controls, and the draws at which their losses are measured. A *job* is (recipe, images left out, seed,
panel): its *record* is a small file that is a function of that description, committed, and never made
twice. A *plan* is a list of jobs, made from committed files alone. The *fleet* trains what is not recorded.
"""
