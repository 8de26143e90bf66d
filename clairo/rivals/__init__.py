"""Recommenders that count or solve: what a model is measured beside, and what it can learn from."""
