"""GANs small enough for a class: points in the plane, the trainings' own losses, a film of each game."""
