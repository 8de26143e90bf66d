"""The `clairo` command. Data goes to standard output, everything else to standard error.

Exit codes: 0 done, 2 bad input or configuration, 130 stopped by Ctrl-C, 1 a fault of the machine.
"""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import clairo
from clairo import interrupts, log, processes
from clairo.errors import InputError, told


class _Guarded(TyperGroup):
    """Turns every expected failure of a command into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with interrupts.heard():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            message, code = "stopped; the same command goes on from here", 130
        except Exception as error:
            expected = told(error)
            if expected is None:
                raise
            message, code = expected
        who = "clairo" if processes.is_main() else f"clairo (process {processes.rank()})"
        print(f"{who}: {message}", file=sys.stderr)
        raise typer.Exit(code)


app = typer.Typer(
    cls=_Guarded,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="CLAIRO recommends by generating the next item's tokens, made of text and image codes.",
)

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="a run folder")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="override an option; repeatable"),
]


class ProgressKind(StrEnum):
    """How progress shows."""

    auto = "auto"
    rich = "rich"
    plain = "plain"
    json = "json"
    silent = "silent"


@app.callback(invoke_without_command=True)
def _common(
    progress: Annotated[
        ProgressKind, typer.Option(help="bars, plain lines, JSON lines or nothing; auto: bars on a terminal")
    ] = ProgressKind.auto,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="say more")] = False,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    # Of several processes one speaks; what goes wrong in another is still told.
    log.setup(progress.value if processes.is_main() else "silent", verbose=verbose)
    if not processes.is_main():
        log.logger.setLevel("WARNING")
    if version:
        print(f"clairo {clairo.__version__}")
        raise typer.Exit


@app.command()
def run(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="a TOML file or a preset's name")],
    out: Annotated[Path | None, typer.Option(help="run folder; runs/<name of CONFIG> if left out")] = None,
    overrides: Overrides = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="take the stages before it as they are in the run folder"
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="stop after this stage")] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder of the files that CONFIG names; the current one for a preset")
    ] = None,
) -> None:
    """Run the pipeline, or up to a stage; the last line printed is the path of the report."""
    from clairo import config as configuration
    from clairo import pipeline

    settings = configuration.load(config, overrides or (), data=data)
    folder = pipeline.run(settings, out or Path("runs") / Path(config).stem, until=until, start=start)
    if processes.is_main():
        print(folder / "report.html" if folder.name == "report" else folder)


@app.command()
def status(
    folder: RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show which artefacts are done, stale (and which field changed) or missing."""
    from clairo import pipeline

    states = pipeline.status(pipeline.saved_config(folder), folder)
    if as_json:
        print(
            json.dumps([{"stage": s.stage, "state": s.state, "reasons": s.reasons} for s in states], indent=2)
        )
        return
    for state in states:
        print(f"{state.stage:<16} {state.state:<8} {'; '.join(state.reasons)}".rstrip())


@app.command()
def recommend(
    folder: RunFolder,
    user: Annotated[str | None, typer.Option(metavar="ID", help="a user of the data")] = None,
    items: Annotated[str | None, typer.Option(metavar="ID,ID,...", help="a history, oldest first")] = None,
    k: Annotated[int, typer.Option("-k", help="how many items")] = 10,
    keep: Annotated[
        bool, typer.Option("--keep-history", help="items of the history may be recommended")
    ] = False,
    allow: Annotated[
        str | None,
        typer.Option(metavar="FILE|ID,ID,...", help="only these items; a file holds an id a line"),
    ] = None,
    deny: Annotated[
        str | None, typer.Option(metavar="FILE|ID,ID,...", help="none of these items, even if allowed")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Recommend items for a user of the data or for a history of item ids."""
    if (user is None) == (items is None):
        raise InputError("say either --user or --items")
    from clairo.recommendations import Recommender

    recommender = Recommender.load(folder)
    history = recommender.history(user) if user is not None else _named(items or "")
    answer = recommender.answer(
        history, k=k, mask_history=not keep, allow=_listed("--allow", allow), deny=_listed("--deny", deny)
    )
    rows = [
        {"rank": rank, "item": item, "score": score, "title": recommender.title(item)}
        for rank, (item, score) in enumerate(answer.items, 1)
    ]
    if answer.source == "popularity":
        log.logger.warning("nothing is known of this history: these are the most popular items")
    if answer.ignored:
        log.logger.warning("not in the catalogue, ignored: %s", ", ".join(answer.ignored))
    if answer.unknown:
        few = ", ".join(answer.unknown[:5]) + (", ..." if len(answer.unknown) > 5 else "")
        log.logger.warning(
            "%d ids to allow or deny are not in the catalogue, ignored: %s", len(answer.unknown), few
        )
    if len(rows) < k:
        log.logger.warning("only %d items may be recommended", len(rows))
    if as_json:
        reply = {
            "source": answer.source,
            "history": history,
            "ignored": answer.ignored,
            "unknown": answer.unknown,
            "filled": answer.filled,
            "items": rows,
        }
        print(json.dumps(reply, indent=2, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['rank']:>3}  {row['item']:<14} {row['score']:>9.4f}  {row['title'] or ''}".rstrip())


@app.command()
def add(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(metavar="NEWDIR", help="where to write the new run; must be new")],
    metadata: Annotated[
        Path | None, typer.Option(metavar="FILE", help="raw metadata of the new items")
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(metavar="FILE", help="raw reviews with the new events")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="where new items have pictures, vectors, codes; repeatable",
        ),
    ] = None,
) -> None:
    """Write a run with new items and events added, without training; DIR stays as it is."""
    from clairo.adding import add as add_to

    added = add_to(folder, out=out, metadata=metadata, reviews=reviews, overrides=overrides or ())
    counts = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in added.counts.items())
    log.logger.info("added %s", counts)
    log.logger.info("to measure it: clairo run %s --out %s", added.folder / "config.toml", added.folder)
    print(added.folder)


@app.command()
def ablate(
    grid: Annotated[str, typer.Argument(metavar="GRID", help="a TOML file, or the name of a grid")],
    out: Annotated[Path | None, typer.Option(help="folder; runs/<name of GRID> if left out")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="CONFIG", help="a base in the place of the grid's own")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="folder of the files that the base names")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="other seeds; a cell with seeds of its own keeps those"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="runs at a time; one a core, or one on an accelerator")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="threads of each run")] = 1,
    store: Annotated[
        Path | None, typer.Option(metavar="DIR", help="share stages with other grids that name it, too")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="an option of all cells; what a cell has of its own comes on top; repeatable",
        ),
    ] = None,
) -> None:
    """Run a grid of cells and seeds; the last line printed is the path of its page."""
    from clairo import ablation

    wanted = _numbers("--seeds", seeds) if seeds is not None else None
    made = ablation.Grid.load(grid, config=config, data=data, seeds=wanted, overrides=overrides or ())
    found = ablation.ablate(
        made, out or Path("runs") / Path(grid).stem, jobs=jobs, threads=threads, shared=store
    )
    print(found.folder / ablation.HTML)
    error = found.error()
    if error is not None:
        raise error


@app.command()
def grids() -> None:
    """List the grids that `clairo ablate` takes by name."""
    from clairo import ablation

    print("\n".join(ablation.names()))


@app.command()
def describe(
    folder: RunFolder,
    what: Annotated[str, typer.Argument(metavar="ITEM|TOKEN", help="an item's id, or a token's number")],
) -> None:
    """Show an item's tokens, or a token's features, in words."""
    from clairo.vocabulary.describe import describe as in_words

    print(in_words(folder, what))


@app.command()
def expand(
    vocabulary: Annotated[
        Path, typer.Argument(metavar="VOCABULARY", help="a vocabulary.json, or a run folder")
    ],
    run_folder: Annotated[
        Path,
        typer.Option("--run", metavar="DIR", help="the run whose codes and training histories to grow on"),
    ],
    size: Annotated[int, typer.Option(metavar="N", help="tokens wanted, those of VOCABULARY included")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="where to write; must be new")],
    threads: Annotated[int | None, typer.Option(min=1, help="threads; all cores if left out")] = None,
) -> None:
    """Grow a vocabulary on the data of a run; its tokens keep their ids."""
    from clairo.artifacts import Codes, Sequences
    from clairo.vocabulary import FILE, Vocabulary, scope
    from clairo.vocabulary import expand as grow

    if out.exists():
        raise InputError(f"--out {out} is there already", hint="choose another name")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: {out.parent} is no folder")
    if (out.parent / "manifest.json").is_file():
        raise InputError(
            f"--out {out} lies in the folder of a stage", hint="a run grows one with vocabulary.start_from"
        )
    path = vocabulary / "vocabulary" / FILE if vocabulary.is_dir() else vocabulary
    old = Vocabulary.load(path)
    data = Codes.load(run_folder / "codes"), Sequences.load(run_folder / "sequences")
    new = grow(old, *data, size, threads, across=scope.across(path.parent))
    new.save(out)
    log.logger.info("%d tokens are kept, %d are new", len(old) - 1, len(new) - len(old))
    print(out)


@app.command()
def shop(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to write; must be empty or new")],
    users: Annotated[int, typer.Option(min=1, help="shoppers")] = 3000,
    items: Annotated[int, typer.Option(min=1, help="items in the catalogue")] = 1200,
    seed: Annotated[int, typer.Option(min=0, help="the same seed writes the same shop")] = 0,
    dirty: Annotated[float, typer.Option(min=0, max=1, help="share of rows that are dirty")] = 0.03,
) -> None:
    """Write the built-in shop in the published raw format."""
    from clairo.shop import write_shop

    files = write_shop(folder, users=users, items=items, seed=seed, dirty=dirty)
    for path in (files.reviews, files.metadata, files.images, files.truth):
        print(path)


@app.command()
def pictures(
    folder: RunFolder,
    again: Annotated[
        bool, typer.Option("--again", help="ask again for what failed for good, too (404, no picture)")
    ] = False,
) -> None:
    """Download the pictures that a run wants, without encoding them; prints the folder that they lie in."""
    from clairo import pipeline

    print(pipeline.pictures(pipeline.saved_config(folder), folder, again=again))


@app.command()
def report(folder: RunFolder) -> None:
    """Write the report again from the artefacts."""
    from clairo import pipeline

    print(pipeline.report(pipeline.saved_config(folder), folder) / "report.html")


class Condition(StrEnum):
    """Which lists are compared."""

    validation = "validation"
    test = "test"
    masked = "masked"


Side = Annotated[str, typer.Argument(metavar="RUN[:SYSTEM]", help="a run folder, or one of its rivals")]


@app.command()
def compare(
    first: Side,
    second: Side,
    condition: Annotated[
        Condition, typer.Option(help="lists of validation, of test, or of test without items of the history")
    ] = Condition.test,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME@K", help="recall@K or ndcg@K; repeatable; of 5 and 10"),
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="bootstrap resamples of users")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same intervals")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Compare two runs, or a run with a rival (RUN:item2item), by paired bootstrap over users."""
    from dataclasses import asdict

    from clairo import report as room

    found = room.compare(
        first,
        second,
        condition=condition.value,
        metrics=metrics or room.METRICS,
        resamples=resamples,
        seed=seed,
    )
    if found.other_histories:
        log.logger.warning(
            "%d of %d users have histories of another length in the two runs",
            found.other_histories,
            found.users,
        )
    print(json.dumps(asdict(found), indent=2, ensure_ascii=False) if as_json else room.told(found))


@app.command()
def presets() -> None:
    """List the presets that `clairo run` takes by name."""
    from clairo import config as configuration

    print("\n".join(configuration.presets()))


def main() -> None:
    """Run the command that was typed."""
    app(prog_name="clairo")


def _named(text: str) -> list[str]:
    """The ids between commas."""
    return [item for part in text.split(",") if (item := part.strip())]


def _numbers(option: str, text: str) -> list[int]:
    """The whole numbers between commas."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise InputError(f"{option} {text!r} is no list of different whole numbers from 0")
    return numbers


def _listed(option: str, value: str | None) -> list[str] | None:
    """The ids of a file, one a line, or those that were typed, with commas between them."""
    if value is None:
        return None
    path = Path(value)
    try:
        there = path.is_file()
    except OSError:  # more ids than a file's name may have letters
        there = False
    try:
        lines = path.read_text("utf-8").splitlines() if there else _named(value)
    except UnicodeDecodeError:
        raise InputError(f"{option} {value}: not a text file in UTF-8") from None
    ids = [item for line in lines if (item := line.strip())]
    if not ids:
        raise InputError(f"{option} {value!r} holds no id", hint="name ids, or a file with an id a line")
    return ids


if __name__ == "__main__":
    main()
