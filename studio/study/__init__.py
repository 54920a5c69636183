"""A reader study, the visual Turing test: people tell real radiographs from synthetic ones. Nothing leaves the machine.

`make` chooses the images of a study, `store` keeps them and every answer in SQLite, `results` counts them.
"""
