"""The harness measured against itself: `ganbench perf`. Ratios of loops that take turns on one machine, so that its noise meets all of them.

`loops` are the contenders, `host` gives each a process of its own, `race` lets them take turns, `peak` is what the processor can do,
`quality` is the time to a given classifier-FID, `whole` are run and suite; `measure` does all of it, `shown` is the table and the plot.
"""
