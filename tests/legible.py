"""Words on a figure as the renderer places them: none on another, none cut off."""

from itertools import combinations

from matplotlib import pyplot as plt


def boxes(figure):
    """Every text that is drawn, with its place in pixels."""
    figure.draw_without_rendering()
    unseen = set()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                unseen |= {tick.label1, tick.label2}
    texts = [text for text in figure.findobj(plt.Text) if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text not in unseen]


def check_legible(figure):
    found = boxes(figure)
    for (one, first), (other, second) in combinations(found, 2):
        apart = (
            first.x1 <= second.x0
            or second.x1 <= first.x0
            or first.y1 <= second.y0
            or second.y1 <= first.y0
        )
        assert apart, (one, other)
    for text, box in found:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
