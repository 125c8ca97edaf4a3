"""What a few hundred items can and cannot show: intervals, paired tests, power; over scipy, statsmodels.

Sampling error dominates visual benchmarks: on the 191 items of V* the half-width of an interval is 5 points
(Miller 2024, arXiv 2411.00640, says which of these to use when).
"""
