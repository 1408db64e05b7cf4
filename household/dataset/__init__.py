"""From readings to batches: the stages window and split.

Read windows, then series, split, scaling and batches. A window is an offset into a series and is
never copied out. Imports core.
"""
