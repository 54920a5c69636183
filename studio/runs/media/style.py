"""Colours of the pictures. Okabe and Ito's blue and vermilion are told apart by colour-blind eyes and in gray print."""

INK, MUTED, GRID = "#1f2933", "#66727f", "#e4e8ec"
CRITIC = "#0072b2"  # D, and the reals
GENERATOR = "#d55e00"  # G, and the fakes
PLAIN = "#4b5563"  # what belongs to neither
