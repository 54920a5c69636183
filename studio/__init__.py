"""What the pages share: the frame, the light box, and what they ask of the core."""
