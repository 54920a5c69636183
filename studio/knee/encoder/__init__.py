"""A small network that grades a knee and turns it into features: what every measure looks through."""
