"""Whence: which training images a text-to-image diffusion model's picture came from."""
