"""Ablations: a grid of runs described in one file, made side by side, told in one table and one page."""

from clairo.ablation.ablate import HTML, Outcome, ablate
from clairo.ablation.grid import Cell, Grid
from clairo.ablation.grid_file import names

__all__ = ["HTML", "Cell", "Grid", "Outcome", "ablate", "names"]
