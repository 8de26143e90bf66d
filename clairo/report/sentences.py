"""What was measured on what, and whether the model is above its rivals, in plain sentences."""

from collections.abc import Iterator
from typing import Any

from clairo.report.parts import signed

SYSTEMS = {
    "blend": "CLAIRO + item-to-item",
    "model": "CLAIRO",
    "popularity": "popularity",
    "markov": "Markov",
    "item2item": "item-to-item",
    "linear": "linear item-to-item",
}
CONDITIONS = {
    "validation": "validation",
    "test": "test",
    "masked": "masked test",
}
METRIC = "ndcg@10"
VALIDATION = (
    "Validation during training reads the histories of a fixed sample of users in one view with few beams: "
    "its figures are not those of the results above."
)
_VERDICTS = {"above": "above", "level": "not to be told apart from", "below": "below"}


def metric_name(key: str) -> str:
    """`ndcg@10` and `recall@10` as people write them."""
    name, _, k = key.partition("@")
    return f"{'NDCG' if name == 'ndcg' else name.capitalize()}@{k}"


def main_of(report: dict[str, Any]) -> str:
    """The system that the run recommends by: `model`, or `blend` where it mixes in item-to-item."""
    return "blend" if "blend" in report else "model"


def verdicts(report: dict[str, Any]) -> Iterator[str]:
    """For each condition, validation last, how what the run recommends stands to each rival."""
    main = main_of(report)
    for name in ("test", "masked", "validation"):
        if name in report:
            low, high = report["intervals"][main][name][METRIC]
            reached = f"{metric_name(METRIC)} {report[name][METRIC]:.4f} [{low:.4f}, {high:.4f}]"
            stands = [_stand(report, name, verdict) for verdict in _VERDICTS]
            words = "; ".join([f"{SYSTEMS[main]} reaches {reached}", *filter(None, stands)])
            yield f"{_start(CONDITIONS[name])}: {words}."


def _stand(report: dict[str, Any], condition: str, verdict: str) -> str:
    """The systems to which it stands as `verdict` says, each with the difference and its interval."""
    gaps = {name: report["differences"].get(name, {}).get(condition) for name in SYSTEMS}
    rivals = [
        f"{SYSTEMS[name]} ({_gap(gap[METRIC])})"
        for name, gap in gaps.items()
        if gap is not None and gap[METRIC]["verdict"] == verdict
    ]
    return f"{_VERDICTS[verdict]} {_listed(rivals)}" if rivals else ""


def _gap(gap: dict[str, Any]) -> str:
    low, high = map(signed, gap["interval"])
    return f"{signed(gap['difference'])} [{low}, {high}]"


def blend(report: dict[str, Any]) -> Iterator[str]:
    """What is mixed, and by which weight."""
    found = report.get("blend")
    if found:
        how = "chosen on validation" if found.get("grid") else "set by the configuration"
        yield (
            f"This run recommends by a blend: the model's list with the weight {1 - found['weight']:.4g} "
            f"and that of {SYSTEMS[found['with']]} with the weight {found['weight']:.4g}, {how}. "
            f"{SYSTEMS['model']} is the model alone."
        )


def scope(report: dict[str, Any]) -> Iterator[str]:
    """What was measured, and on whom."""
    data = report["dataset"]
    yield (
        f"The data hold {data['users']:,} users, {data['items']:,} items and {data['events']:,} events "
        f"after all filters; {data['training_events']:,} of the events train."
    )
    yield from _added(report)
    for users, names in _measured(report).items():
        yield f"{_start(_listed(names))}: measured on {users}, the rivals on the same as the model."
    if "masked" in report:
        yield "In masked test no item of a user's history is recommended; elsewhere it may be."
    if data["users_with_ties"]:
        yield (
            f"The last event of {data['users_with_ties']:,} users shares its time with the event before it: "
            "which of the two comes last is a matter of the tie rule. The slices show the other users alone."
        )
    rate = report.get("test", {}).get("invalid_rate")
    if rate is not None:
        yield f"Of the token sequences generated for test, {rate:.2%} named no item."
    yield from _filled(report)


def _added(report: dict[str, Any]) -> Iterator[str]:
    """What came in after training, by `clairo add`."""
    added = report["stages"].get("sequences", {}).get("report", {}).get("added")
    if added:
        yield (
            f"{added.get('items', 0):,} of the items, {added['users']:,} of the users and "
            f"{added['events']:,} of the events were added to the trained run: nothing was fitted on them; "
            "the vocabulary, the model and the counts of all rivals are those of the run before."
        )


def _filled(report: dict[str, Any]) -> Iterator[str]:
    """Where the search found too few items: those places are not the model's."""
    noted = report["stages"].get("recommendations", {}).get("report", {})
    alone = " of the model alone" if "blend" in report else ""
    for name, words in CONDITIONS.items():
        found = noted.get(name, {})
        if found.get("lists_filled"):
            yield (
                f"The search left {found['lists_filled']:,} of {found['users']:,} lists of {words}{alone} "
                f"short; popularity filled their last {found['items_filled']:,} places in all."
            )


def slices(report: dict[str, Any]) -> Iterator[str]:
    """What the parts of the catalogue are."""
    yield (
        "Cold (new) items are those without a training event. The head are the fewest most popular items "
        f"that together hold {1 - report['tail_share']:.0%} of training events; all others are the tail."
    )
    yield (
        "Small slices have wide intervals, and with many slices some differences arise by chance. An "
        "interval of no width only means that all users of the slice fared the same: a few without a hit."
    )


def catalogue(report: dict[str, Any]) -> Iterator[str]:
    """How popularity is spread, and what the metrics of the catalogue mean."""
    tail = report["popularity"]
    yield (
        f"{tail['head_items']:,} of {report['dataset']['items']:,} items hold {1 - report['tail_share']:.0%} "
        f"of training events; {tail['new_items']:,} items have none."
    )
    yield (
        "Coverage@10 is the share of the catalogue that stands in somebody's first ten. Gini@10 is 0 where "
        "all items are shown equally often and nears 1 where few take all places. Tail share@10 is the share "
        "of the first ten places that tail items hold."
    )


def collisions(codes: dict[str, Any]) -> Iterator[str]:
    """How many items the codes do not tell apart; `codes` is that stage's own report."""
    found = codes.get("collisions")
    if found:
        yield (
            f"{found['colliding_items']:,} of {codes['items']:,} items share all their codes with another "
            "and are told apart by disambiguation alone; the largest such group has "
            f"{found['largest_group']:,} items."
        )


def merges(log: dict[str, Any]) -> Iterator[str]:
    """How much of the vocabulary is cross-modal, and how much of it spans actions."""
    joins = {where: sum(found[where] for found in log["kinds"]) for where in ("inside", "across")}
    total = max(sum(joins.values()), 1)
    mixed, across = log["cross_modal"] / log["merges"], joins["across"] / total
    yield (
        f"{log['cross_modal']:,} of {log['merges']:,} merged tokens ({mixed:.1%}) are cross-modal: "
        "they hold features of more than one kind, disambiguation not counted."
    )
    yield (
        f"Of {total:,} times that two tokens were joined, {joins['across']:,} ({across:.1%}) were across "
        "two actions, the others inside one."
    )
    if log["growth"]["tokens"] is None:
        yield (
            "This vocabulary grew from another: merges taken over were counted on the data that they were "
            "made on, so how the histories of this run shrank is not known."
        )


def caveats(report: dict[str, Any]) -> Iterator[str]:
    """How to read the numbers, and what they do not say."""
    spans = report["intervals"]
    yield (
        f"Intervals are {spans['level']:.0%} percentile bootstrap intervals over users "
        f"({spans['resamples']:,} resamples); differences are paired, both systems on the same users. They "
        "tell how much the choice of users matters, not what another seed of training would change."
    )
    yield (
        "Every list ranks the whole catalogue. Each user has one target: Recall@k is the share of users "
        "whose target stands among the first k; NDCG@k is 1 / log2(r + 1) for a target at rank r, from 1."
    )
    if report.get("blend", {}).get("grid"):
        yield (
            "The best epoch of the model, the settings of item-to-item and the weight of the blend are "
            "chosen on validation, so the figures on validation flatter all three."
        )
    else:
        yield (
            "The best epoch of the model and the settings of item-to-item are chosen on validation, so the "
            "figures on validation flatter both."
        )


def _measured(report: dict[str, Any]) -> dict[str, list[str]]:
    """Whom the conditions are measured on, and which of them on the same number."""
    found: dict[str, list[str]] = {}
    for name, words in CONDITIONS.items():
        if name in report:
            found.setdefault(_whom(report["samples"][name]), []).append(words)
    return found


def _whom(sample: dict[str, Any]) -> str:
    if sample["sampled"]:
        return f"a random sample of {sample['users']:,} of the {sample['of']:,} users that have a target"
    return f"all {sample['users']:,} users that have a target"


def _listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _start(text: str) -> str:
    return text[0].upper() + text[1:]
