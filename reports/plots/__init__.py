"""One file a plot: `*_data(frame)`, whose numbers are tested, and `draw(ax, data, palette)`, which draws just those."""
