"""Reals and fakes beside each other: as many of each and of the same classes, their tones, and what an encoder sees."""
