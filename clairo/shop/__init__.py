"""The built-in shop: a small world in the published raw format, whose truth is known.

It is there so that a whole run can be tried without data, and so that claims can be checked: what a picture,
a text or an order is worth to a recommender is known here, because it was planted.

- *Theme* (16): a taste that only words tell: brand, title, categories, features, description. A theme has
  many words and an item takes some of them, so two items of one theme may share few. The picture tells
  nothing of it.
- *Look* (12): a taste that only the picture tells: two colours and a pattern, with random hue, size, angle,
  place, object and noise. The text names no colour and no pattern.
- *Kind* (5): the step of a chain, starter > tool > refill > care > storage > starter. A word or two of the
  text tell it. That one kind follows the other, and not the reverse, shows only in the order of purchases.
- *Taste*: each user has a main and a second theme and look. The next kind is drawn by the chain, the item of
  that kind in proportion to demand x theme taste x look taste. `purchases.probabilities` is that sentence as
  code: purchases are drawn from it, and `best_scores` ranks by it, so the ceiling is exact.
- *Long tail*: log-normal demand, and a quarter of the items come late, so that many test targets have few or
  no training events. Counting co-purchases falls short of what words and pictures give.
- *Dirt*: a share of the rows is dirty as published rows are (`dirt`); it never changes the above. A
  duplicated review is a second row of the same user and item, never earlier than the first. Purchases of one
  day stand in the file in the order of their items, which may not be the order in which they were drawn.

`describe()` says this with the numbers, `shop.json` says how it came out, `truth.npz` holds it all.
"""

from clairo.shop.about import describe, measure
from clairo.shop.truth import Truth, best_ranks, best_scores
from clairo.shop.write import ShopFiles, write_shop

__all__ = ["ShopFiles", "Truth", "best_ranks", "best_scores", "describe", "measure", "write_shop"]
