"""Baselines, scores and their significance: the stage evaluate.

Read baselines and metrics, then predictions and evaluate. meter_scores scores many meters. Imports
core, dataset and model.
"""
