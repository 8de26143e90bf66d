"""Runs Python as on a machine that has only some packages: `python bare.py NAME,... MODULE ARGUMENT ...`.

`-c TEXT` may stand in place of the module. The packages named and what they require can be imported (but for
those named with a minus before them), and so can the standard library and CLAIRO. Every other package of this
environment is neither found nor listed, as if it had never been installed.
"""

import re
import runpy
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import (
    DistributionFinder,
    PackageNotFoundError,
    PathDistribution,
    distribution,
    packages_distributions,
)
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def main() -> None:
    """Hide what is not named, then run the program."""
    names, program, *words = sys.argv[1:]
    wanted = names.split(",")
    without = {name[1:] for name in wanted if name.startswith("-")}
    there = {"clairo", *closure(name for name in wanted if not name.startswith("-"))} - without
    Bare.hidden = {
        module
        for module, owners in packages_distributions().items()
        if there.isdisjoint(map(normal, owners)) and module not in sys.modules
    }
    Bare.there = there
    sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
    sys.argv = [program, *(words[1:] if program == "-c" else words)]
    if program == "-c":
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the test's own words
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def normal(name: str) -> str:
    """A distribution's name in one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: Iterable[str]) -> set[str]:
    """The distributions `names` and, through what they require without extras, all that come with them."""
    there, open_names = set[str](), [normal(name) for name in names]
    while open_names:
        name = open_names.pop()
        if name in there:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # for another system or Python
        there.add(name)
        plain = [line for line in required if "extra ==" not in line]
        open_names += [normal(found[0]) for line in plain if (found := _NAME.match(line))]
    return there


class Bare(PathFinder):
    """Finds what Python's own finder finds, but for the packages that are not there."""

    hidden: set[str]
    there: set[str]

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """None for a hidden module."""
        if fullname.partition(".")[0] in cls.hidden:
            return None
        return super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, context: Any = None) -> Iterable[PathDistribution]:
        """The installed packages that are there."""
        found = super().find_distributions(context or DistributionFinder.Context())
        return [one for one in found if normal(one.metadata["Name"]) in cls.there]


if __name__ == "__main__":
    main()
