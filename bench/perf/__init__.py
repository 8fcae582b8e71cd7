"""Performance benchmarks of the harness: `ganbench perf`.

The benchmarked loops run in turns on one machine, so that other load affects all of them. `loops` defines the loops, `host` starts their
processes, `race` times them, `peak` counts operations. `quality` measures the time to a given classifier-FID, `whole` complete runs.
`measure` runs all parts, `report` writes tables and a plot.
"""
