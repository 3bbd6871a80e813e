"""How fast etdb is, and how much memory it takes, beside a reference that runs on the same machine in the same minute.

    python -m benchmarks                 all cases; writes benchmarks/results/latest.json and docs/benchmarks.md
    python -m benchmarks cids --gib 1    one case, smaller; writes nothing

A machine that is shared is noisy: each figure is the median of several turns, ours and the reference's by turns. The
ratio is the result, not the rate.
"""
