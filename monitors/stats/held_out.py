"""Held-out cells: the reference's own categories, each slice counted by a vocabulary of other slices.

A vocabulary that is frozen on some rows has none of them unseen, and its most frequent values are frequent partly by
luck. Later rows do have unseen values, and fewer of the frequent ones. So a reference that is counted by its own
vocabulary looks tighter than anything that comes after it, though nothing changed: with Zipf's law of power 1.5 a
twentieth of later rows is unseen, of the reference's none. Counted without its own slice a row is what a later one is.

References
----------
Good (1953), "The population frequencies of species and the estimation of population parameters", Biometrika 40.
Barber, Candes, Ramdas and Tibshirani (2021), "Predictive inference with the jackknife+", Ann. Stat. 49(1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitors.stats.bins import CategoricalBins

Ints = npt.NDArray[np.int64]
FOLDS = 10
"""Parts of the slices, of every tenth each, by which the most frequent words are chosen for the others."""


def cells(values: npt.NDArray[np.object_], slices: Ints, bins: CategoricalBins) -> Ints:
    """Return the cell of each row by the vocabulary of the rows of all other slices, (rows,).

    Parameters
    ----------
    values
        The rows that *bins* were frozen on, (rows,), ``None`` where a value is missing.
    slices
        The slice of each row, (rows,), by any number. A single slice has no others: it is counted by its own words.
    bins
        The vocabulary of all rows together. It sets how many values have a cell of their own, and how many are known.

    Examples
    --------
    Each slice's ``c`` and ``d`` come in no other: by the rest they are unseen.

    >>> rows, slices = np.array(["a", "b", "c", "a", "b", "d"], object), np.array([0, 0, 0, 1, 1, 1])
    >>> cells(rows, slices, CategoricalBins(categories=("a", "b"), others=("c", "d"))).tolist()
    [0, 1, 3, 0, 1, 3]
    """
    _, slices = np.unique(slices, return_inverse=True)
    if slices.max(initial=0) == 0:
        return bins.index(values)
    out = np.full(len(values), bins.body + 1, np.int64)
    words, names = pd.factorize(values, sort=True)
    there = words >= 0
    pairs = slices[there] * len(names) + words[there]
    pairs, of_row, n = np.unique(pairs, return_inverse=True, return_counts=True)
    out[there] = cells_of_words(pairs // max(len(names), 1), pairs % max(len(names), 1), n, bins)[of_row]
    return out


def cells_of_words(slices: Ints, words: Ints, n: Ints, bins: CategoricalBins) -> Ints:
    """Return the cell of each pair of a slice and a word that it has, by the vocabulary of other slices, (pairs,).

    Which words are known is what all other slices have. Which are the most frequent is what the slices of the other
    :data:`FOLDS` have: a single slice less would turn the order of words that lie a row apart, and of no others. A word
    that is among the most frequent ones either way keeps its cell; one that is so by the other folds alone has the cell
    of one that then is not.

    Parameters
    ----------
    slices, words
        The pairs, (pairs,), each once and sorted by slice; both are numbered from 0, words in the order of their names.
    n
        Rows of each pair, (pairs,).
    bins
        The vocabulary of all rows together.
    """
    count = int(words.max(initial=-1)) + 1
    total = np.bincount(words, weights=n, minlength=count).astype(np.int64)
    folds = slices % min(FOLDS, int(slices.max(initial=0)) + 1)
    top = np.zeros(len(words), np.int64)
    for fold in np.unique(folds):
        own = folds == fold
        rest = total - np.bincount(words[own], weights=n[own], minlength=count).astype(np.int64)
        top[own] = _top_cells(total, rest, len(bins.categories))[words[own]]
    seen = _seen_elsewhere(slices, words, n, total, len(bins.categories) + len(bins.others))
    return np.where(seen, np.where(top >= 0, top, bins.body - 1), bins.body)


def _ranks(total: Ints) -> Ints:
    """Return the place of each word, (words,): 0 is the most frequent one; ties by name."""
    out = np.empty_like(total)
    out[np.argsort(-total, kind="stable")] = np.arange(len(total))
    return out


def _top_cells(total: Ints, rest: Ints, top: int) -> Ints:
    """Return the cell of each of the *top* words by the counts *rest*, (words,), and -1 for other words.

    Words that are such by the counts *total* as well have the cell of their place there, the others what is left.
    """
    usual, now = _ranks(total), _ranks(rest)
    out = np.full(len(total), -1)
    there = (now < top) & (rest > 0)
    stays = there & (usual < top)
    out[stays] = usual[stays]
    comes = np.flatnonzero(there & ~stays)
    out[comes[np.argsort(now[comes])]] = np.setdiff1d(np.arange(top), out[stays])[: len(comes)]
    return out


def _seen_elsewhere(slices: Ints, words: Ints, n: Ints, total: Ints, most: int) -> npt.NDArray[np.bool_]:
    """Return whether each pair's word is among the *most* frequent ones of all slices but its own, (pairs,)."""
    rest = total[words] - n
    if len(total) <= most:
        return np.asarray(rest > 0)
    keys = np.arange(len(total)) - total * len(total)  # the smaller, the more frequent; ties by name
    ordered, own, later = np.sort(keys), keys[words], words - rest * len(total)
    out = np.zeros(len(words), bool)
    borders = np.flatnonzero(np.diff(slices, prepend=-1, append=-1))
    for at in map(slice, borders[:-1], borders[1:]):
        ahead = [np.searchsorted(among, later[at]) for among in (ordered, np.sort(own[at]), np.sort(later[at]))]
        out[at] = ahead[0] - ahead[1] + ahead[2] < most  # the slice's own words stand where other slices put them
    return out & (rest > 0)
