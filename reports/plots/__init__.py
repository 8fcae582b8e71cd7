"""Plots of a report. In each file, `*_data(frame)` returns the numbers of a plot and `draw(ax, data, palette)` draws them."""
