"""The harness measured against itself: `ganbench perf`. Loops take turns on one machine, so that its noise meets all of them.

`loops` are the contenders, `host` gives each processes of its own, `race` lets them take turns, `peak` counts what a round asks of the
processor, `quality` is the time to a given classifier-FID, `whole` are whole runs; `measure` does all of it, `report` is tables and plot.
"""
