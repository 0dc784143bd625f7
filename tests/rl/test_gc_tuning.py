from __future__ import annotations

import gc

from baselines.train.gc_tuning import THRESHOLDS, infrequent_collections


def test_infrequent_collections_ends_with_the_last_active_run():
    before = gc.get_threshold()
    first, second = infrequent_collections(), infrequent_collections()
    first.__enter__()
    second.__enter__()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 0
    first.__exit__(None, None, None)  # not in the order of a stack: runs may be threads
    assert gc.get_threshold() == THRESHOLDS
    second.__exit__(None, None, None)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
