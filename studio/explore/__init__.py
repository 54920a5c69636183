"""A model's latent space: points in it, directions with names, paths between seeds, and the way back from an image."""
