"""One file for each plot: `*_data(frame)` returns its numbers, which are tested, and `draw(ax, data, palette)` draws them."""
