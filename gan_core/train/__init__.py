"""config + Dataset -> a run directory. `game` plays, `trainer` writes down; `health` says in words how it goes."""
