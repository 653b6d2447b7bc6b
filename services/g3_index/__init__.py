"""The index of recorded data: the one store that scanner and reader share.

Times in it are *ticks*: UTC as whole numbers of 10 ns since 1970, the unit of .g3 files (`core.G3Units`).
"""
