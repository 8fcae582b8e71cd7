"""Performance benchmarks of the harness: `ganbench perf`.

The benchmarked loops run in turns on one machine, so that its noise affects all of them. `loops` holds the loops, `host` their processes,
`race` the timing, `peak` the operation counts. `quality` measures the time to a given classifier-FID, `whole` measures complete runs.
`measure` runs all parts, `report` writes tables and a plot.
"""
