"""Nearest neighbours in feature space, and precision, recall, density and coverage from one block pass.

Candidates come from one matrix product for each block of rows, of centred features in their own precision. The form
|a - b|^2 = |a|^2 + |b|^2 - 2 a.b loses digits of small distances. For this reason, the functions compute distances of candidates
again from the differences. An exact copy has distance 0, and a pair at the edge of a neighbourhood has an exact result. Compared
with float64, float32 changes only near-ties of recall. Memory grows with the number of rows, not with its square.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# Part of the definition of the metrics: a change increases the version on their cards.
K = 3  # neighbours that span a manifold: Kynkäänniemi et al. 2019, section 3
K_BALL = 5  # neighbours in a neighbourhood of density and coverage: Naeem et al. 2020, section 3

LISTED = 24  # half of them are in a half-sample: enough for its AMONG neighbours, except for about one row in a thousand
AMONG = 5
BLOCK_ELEMENTS = 2**19  # 2 MB of float32
WIDTH = 8192  # targets at once
GROUP = 16  # columns that share one minimum in `_smallest`
CANDIDATES = 4  # groups with exact distances in the search for one nearest row
ROUNDING = 16  # times the precision times |a|^2 + |b|^2: a bound on the error of the matrix product


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Record of the nearest other rows of each row of a set of features."""

    features: Tensor  # [N, d]
    index: Tensor  # [N, m] int64: the nearest other rows, ascending in distance
    distance: Tensor  # [N, m]: exact; 0 for a copy

    @property
    def nearest(self) -> Tensor:
        """The distance to the nearest other row: [N]."""
        return self.distance[:, 0]

    def radius(self, k: int) -> Tensor:
        """Return the distance to the k-th nearest other row: [N]. Raises ValueError if fewer are listed."""
        if not 1 <= k <= self.distance.shape[1]:
            raise ValueError(f"{len(self.features)} rows with {self.distance.shape[1]} neighbours listed have no {k} nearest others")
        return self.distance[:, k - 1]

    def among(self, rows: Tensor) -> Neighbours:
        """Return the AMONG nearest others of these rows (ascending, int64 [M]) among themselves, from the lists if these suffice."""
        wanted = min(AMONG, len(rows) - 1)
        features = self.features[rows]
        place = torch.full((len(self.features),), -1).index_copy_(0, rows, torch.arange(len(rows)))
        index = place[self.index[rows]]
        rank = (index >= 0).cumsum(dim=1)
        enough = rank[:, -1] >= wanted
        if not enough.all():
            found = _search(features, enough.logical_not().nonzero()[:, 0], listed=LISTED)
        chosen = (index >= 0) & (rank <= wanted) & enough[:, None]
        new_index = torch.empty(len(rows), wanted, dtype=torch.int64)
        new_distance = self.distance.new_empty(len(rows), wanted)
        new_index[enough] = index[chosen].view(-1, wanted)
        new_distance[enough] = self.distance[rows][chosen].view(-1, wanted)
        if not enough.all():
            new_index[~enough], new_distance[~enough] = (part[:, :wanted] for part in found)
        return Neighbours(features=features, index=new_index, distance=new_distance)


def find_neighbours(features: Tensor, *, listed: int = LISTED, block: int | None = None) -> Neighbours:
    """Return the min(listed, N - 1) nearest other rows of each row [N, d]. Raises ValueError for one row, or values that are not finite."""
    index, distance = _search(features, torch.arange(len(features)), listed=listed, block=block)
    return Neighbours(features=features, index=index, distance=distance)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Record of the overlap of two sets of features, for precision, recall, density and coverage of a set and its half-samples.

    precision = inside.mean(), recall = reached[0].mean() (Kynkäänniemi et al. 2019, eq. 1-3); density = balls.mean() / K_BALL,
    coverage = (filled[0] > 0).mean() (Naeem et al. 2020, eq. 3 and 4). For half-sample h, the arrays are inside[half], reached[1 + h],
    balls[half] and filled[1 + h]. A neighbourhood includes the rows on its edge.
    """

    inside: Tensor  # [n] bool: the generated row is in the K-neighbourhood of some real row
    balls: Tensor  # [n] int64: the number of real K_BALL-neighbourhoods that contain the generated row
    clipped_balls: Tensor  # [n] int64: the same for the clipped neighbourhoods (`clipped_radius`)
    reached: Tensor  # [1 + H, N] bool: the real row is in the K-neighbourhood of some generated row, of the full set and of each half
    filled: Tensor  # [1 + H, N]: the number of generated rows in the K_BALL-neighbourhood of the real row, of the full set and of each half
    closer: Tensor  # [1 + H, N]: 1 if a compared generated row is nearer than the nearest compared real row, 1/2 for a tie, else 0


def clipped_radius(neighbours: Neighbours) -> Tensor:
    """Return radius(K_BALL) of each row, at most the median of all rows: [N].

    So outliers have no large neighbourhoods (arXiv 2507.01761).
    """
    radius = neighbours.radius(K_BALL)
    return radius.minimum(radius.quantile(0.5))


def overlap(
    real: Neighbours, generated: Neighbours, half_samples: Tensor, half_radius: Tensor, *, nearest: Tensor | None = None,
    block: int | None = None,
) -> Overlap:  # fmt: skip
    """Return the overlap of N real and n generated features, and of H half-samples [H, n] (bool) of the generated ones, in one pass.

    `half_radius` [H, n] is the radius(K) of each generated row within its half, from `among`. Other rows are ignored.
    `nearest` [N], for `closer`, is the distance of each compared real row to the nearest other one, and NaN for other rows
    (`bench.metrics.two_sample`). The function compares equally many generated rows, the first ones. By default it compares all real rows.
    """
    nearest = real.nearest if nearest is None else nearest
    center = real.features.mean(dim=0)
    x, y = real.features - center, generated.features - center
    x_squares, y_squares = _squares(x), _squares(y)
    wide, narrow, clipped = (radius.square() for radius in (real.radius(K_BALL), real.radius(K), clipped_radius(real)))
    members = torch.cat([torch.ones(1, len(y), dtype=torch.bool), half_samples])  # [1 + H, n]
    radii = torch.cat([generated.radius(K)[None], half_radius.to(y.dtype)])
    reach = torch.where(members, radii.square(), -torch.inf)
    farthest = reach.amax(dim=0)
    inside, reached = torch.zeros(len(y), dtype=torch.bool), torch.zeros(len(members), len(x), dtype=torch.bool)
    balls, clipped_balls = torch.zeros(2, len(y), dtype=torch.int64)
    filled, closer = torch.zeros(2, len(members), len(x), dtype=y.dtype)
    single = nearest.square()
    outer = wide.fmax(single)
    weights = members.T.to(y.dtype)
    compared = weights * (torch.arange(len(y)) < nearest.isfinite().sum())[:, None]
    blocks = _blocks(len(x), len(y), x.shape[1], block)
    room, spare = x.new_empty(2, _rows(blocks), len(y))
    for at in blocks:
        squared = torch.addmm(y_squares, x[at], y.T, alpha=-2, out=room[: at.stop - at.start]).add_(x_squares[at, None])
        slack = ROUNDING * torch.finfo(x.dtype).eps * (x_squares[at] + y_squares.max())
        row, column = _at_most(squared, outer[at] + slack)
        values = squared[row, column]
        unsure = values <= slack[row]
        for bound in (wide, narrow, clipped, single):
            unsure |= (values - bound[at][row]).abs() <= slack[row]
        # These distances come from the original features, like the radii. So equal distances are exactly equal.
        values[unsure] = _exact(real.features[at][row[unsure]], generated.features, column[unsure, None])[:, 0].square()
        squared[row, column] = values
        inside[column[values <= narrow[at][row]]] = True
        within = values <= wide[at][row]
        balls += torch.bincount(column[within], minlength=len(y))
        clipped_balls += torch.bincount(column[values <= clipped[at][row]], minlength=len(y))
        filled[:, at] = weights.new_zeros(len(squared), len(members)).index_add_(0, row[within], weights[column[within]]).T
        level = single[at][row]
        for hit, weight in ((values < level, 1.0), (values == level, 0.5)):
            met = weights.new_zeros(len(squared), len(members)).index_add_(0, row[hit], compared[column[hit]]).T > 0
            closer[:, at] = torch.where(met, closer[:, at].clamp(min=weight), closer[:, at])
        row, column = _at_most(torch.sub(squared, farthest, out=spare[: len(squared)]), x.new_zeros(len(squared)))
        if len(row) * len(reach) <= squared.numel():
            hits = (squared[row, column] <= reach[:, column]).to(y.dtype)
            reached[:, at] = y.new_zeros(len(reach), len(squared)).index_add_(1, row, hits) > 0
        else:  # if neighbourhoods contain nearly all rows, whole rows are faster than lists
            for which, squared_radius in enumerate(reach):
                reached[which, at] = torch.sub(squared, squared_radius, out=spare[: len(squared)]).amin(dim=1) <= 0
    return Overlap(inside=inside, balls=balls, clipped_balls=clipped_balls, reached=reached, filled=filled, closer=closer)


def nearest_to(points: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return distance [n] and row [n] (int64) of the nearest target [T, d] of each point [n, d]. An exact copy has distance 0."""
    return _scan(points, targets, others=False)


def nearest_other(features: Tensor) -> Tensor:
    """Return the distance of each row [T, d] to its nearest other row: [T]. Faster than `find_neighbours` for many rows."""
    return _scan(features, features, others=True)[0]


def _search(features: Tensor, rows: Tensor, *, listed: int, block: int | None = None) -> tuple[Tensor, Tensor]:
    """Return index and distance of the nearest others of some rows, [rows, min(listed, N - 1)] each, ascending."""
    if len(features) < 2:
        raise ValueError(f"nearest others need at least 2 rows, not {len(features)}")
    listed = min(listed, len(features) - 1)
    centred = features - features.mean(dim=0)
    squares = _squares(centred)
    index = torch.empty(len(rows), listed, dtype=torch.int64)
    distance = features.new_empty(len(rows), listed)
    blocks = _blocks(len(rows), len(features), features.shape[1], block)
    # One buffer for all blocks, because new memory for each block would take as long as the product.
    room = features.new_empty(_rows(blocks), len(features))
    for at in blocks:
        own = rows[at]
        # |a|^2 is the same for a whole row, so the order of its neighbours is known without it.
        order = torch.addmm(squares, centred[own], centred.T, alpha=-2, out=room[: len(own)]).scatter_(1, own[:, None], torch.inf)
        closest = _smallest(order, listed)
        exact = _exact(features[own], features, closest)
        distance[at], order_of = exact.sort(dim=1, stable=True)
        index[at] = closest.gather(1, order_of)
    return index, distance


def _scan(points: Tensor, targets: Tensor, *, others: bool) -> tuple[Tensor, Tensor]:
    """Return distance and row of the nearest target of each point. `others`: both are one set, and a row is not its own neighbour.

    Targets form groups. The function computes exact distances only in the groups with the smallest minima.
    """
    if len(targets) < 1 + others:
        raise ValueError(f"nearest {'others' if others else 'targets'} need at least {1 + others} rows, not {len(targets)}")
    center, missing = targets.mean(dim=0), -len(targets) % GROUP
    x, y = points - center, functional.pad(targets - center, (0, 0, 0, missing))
    _squares(x)
    squares = functional.pad(_squares(y[: len(targets)]), (0, missing), value=torch.inf)
    chunks = [slice(first, min(first + WIDTH, len(y))) for first in range(0, len(y), WIDTH)]
    grouped = torch.cat([torch.arange(at.start, at.stop).view(GROUP, -1) for at in chunks], dim=1).T.clamp(max=len(targets) - 1)
    distance, index = points.new_empty(len(points)), torch.empty(len(points), dtype=torch.int64)
    blocks = _blocks(len(x), WIDTH, x.shape[1], None)
    room = x.new_empty(_rows(blocks), WIDTH)
    for at in blocks:
        rows = torch.arange(at.start, at.stop)
        minima = []
        for columns in chunks:
            flat = room.view(-1)[: len(rows) * (columns.stop - columns.start)].view(len(rows), -1)
            order = torch.addmm(squares[columns], x[at], y[columns].T, alpha=-2, out=flat)
            if others:
                own = (rows >= columns.start) & (rows < columns.stop)
                order[own, rows[own] - columns.start] = torch.inf
            minima.append(order.view(len(rows), GROUP, -1).amin(dim=1))
        groups = torch.cat(minima, dim=1)
        best = groups.topk(min(CANDIDATES, groups.shape[1]), dim=1, largest=False, sorted=False).indices
        candidates = grouped[best].flatten(1)
        exact = _exact(points[at], targets, candidates)
        if others:
            exact[candidates == rows[:, None]] = torch.inf
        distance[at], which = exact.min(dim=1)
        index[at] = candidates.gather(1, which[:, None])[:, 0]
    return distance, index


def _at_most(values: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column of every value [b, n] that is at most the bound [b] of its row."""
    width = values.shape[1] // GROUP
    grouped = values[:, : width * GROUP].view(len(values), GROUP, width)
    row, group = (grouped.amin(dim=1) <= bound[:, None]).nonzero(as_tuple=True)
    hit, member = (grouped[row, :, group] <= bound[row, None]).nonzero(as_tuple=True)
    rest_row, rest = (values[:, width * GROUP :] <= bound[:, None]).nonzero(as_tuple=True)
    return torch.cat([row[hit], rest_row]), torch.cat([member * width + group[hit], rest + width * GROUP])


def _smallest(values: Tensor, k: int) -> Tensor:
    """Return the columns of the k smallest values of each row [b, n], in any order.

    Columns form groups. Each of the k smallest values is in one of the k groups with the smallest minima, so the function searches only
    these. This is faster than a topk of complete rows.
    """
    width = values.shape[1] // GROUP
    if width < 4 * k:
        return values.topk(k, dim=1, largest=False, sorted=False).indices
    minima = values[:, : width * GROUP].view(len(values), GROUP, width).amin(dim=1)
    groups = minima.topk(k, dim=1, largest=False, sorted=False).indices
    inside = (groups[:, None, :] + width * torch.arange(GROUP)[:, None]).flatten(1)
    rest = torch.arange(width * GROUP, values.shape[1]).expand(len(values), -1)
    candidates = torch.cat([inside, rest], dim=1)
    return candidates.gather(1, values.gather(1, candidates).topk(k, dim=1, largest=False, sorted=False).indices)


def _exact(points: Tensor, features: Tensor, rows: Tensor) -> Tensor:
    """Return the distance of each point [b, d] to some rows [b, m] of the features, from the differences: [b, m]."""
    most = max(1, 2 * BLOCK_ELEMENTS // (rows.shape[1] * points.shape[1]))
    parts = zip(points.split(most), rows.split(most), strict=True)
    return torch.cat([features.index_select(0, j.flatten()).view(*j.shape, p.shape[1]).sub_(p[:, None]).norm(dim=2) for p, j in parts])


def _blocks(rows: int, columns: int, dims: int, block: int | None) -> list[slice]:
    """Return slices of rows. A block fits into the processor's cache, and has enough rows for a fast matrix product."""
    block = block or max(BLOCK_ELEMENTS // max(columns, 1), dims // 8, 16)
    return [slice(start, min(start + block, rows)) for start in range(0, rows, block)]


def _rows(blocks: list[slice]) -> int:
    return max((at.stop - at.start for at in blocks), default=0)


def _squares(features: Tensor) -> Tensor:
    """Return |a|^2 of each row. Raises ValueError if a value is not finite."""
    squares = features.square().sum(dim=1)
    if not squares.isfinite().all():
        raise ValueError("some features are not finite, or too large to be squared")
    return squares
