"""Define the tree of errors.

    GlotmillError
    ├── DryRun                    not an error: the pipeline was built, but not run
    └── UserError                 the user can fix it: one line on stderr, exit status 2
        ├── ConfigError           a configuration key or value
        ├── UnknownNameError      a name that is not in a table; carries the nearest ones
        ├── SourceError           an input that cannot be read in the declared format
        ├── OutputError           an output folder that cannot be used or written
        └── MissingDependencyError  an optional package; the message says how to install it

A message says what was given, what is expected, the nearest valid name if there is one, and what to do.
Anything that is not a UserError is a bug in glotmill: exit status 1.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class GlotmillError(Exception):
    """Root of all errors that glotmill raises on purpose."""


class DryRun(GlotmillError):
    """End of a run that only shows what would be run."""


class UserError(GlotmillError):
    """An error that the user can fix."""


class ConfigError(UserError):
    """A configuration key or value that cannot be used."""


class SourceError(UserError):
    """An input that cannot be read in the declared format."""


class OutputError(UserError):
    """An output folder that cannot be used or written."""


class MissingDependencyError(UserError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed: pip install 'glotmill[{extra}]'"
        )


class UnknownNameError(UserError):
    """A name that is not in a table of known names."""

    def __init__(self, kind: str, seen: str, known: Iterable[str], advice: str = "") -> None:
        self.seen = seen
        self.nearest = nearest(seen, known)
        hint = f"; the nearest are {', '.join(self.nearest)}" if self.nearest else ""
        super().__init__(f"unknown {kind} {seen!r}{hint}{'; ' + advice if advice else ''}")


def nearest(seen: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` names of `known` that are similar to `seen`, the most similar first. Case does not count."""
    by_folded: dict[str, str] = {}
    for name in known:
        by_folded.setdefault(name.casefold(), name)
    folded = seen.casefold()
    close = difflib.get_close_matches(folded, list(by_folded), n=count, cutoff=0.6)
    # A name that begins with `seen` is near, too, even if it is much longer.
    begun = sorted(name for name in by_folded if len(folded) >= 3 and name.startswith(folded) and name not in close)
    return [by_folded[name] for name in (*close, *begun)][:count]


def explain_os_error(error: OSError, doing: str) -> str:
    """Return one line for an operating-system error: what was being done, what went wrong, and what to do."""
    advice = {
        errno.ENOSPC: "free some space, then run the same command again: finished shards are kept",
        errno.EDQUOT: "the disk quota is used up; free some space, then run the same command again",
        errno.EFBIG: "the file is larger than this system allows",
        errno.EACCES: "the permissions do not allow it",
        errno.EPERM: "the permissions do not allow it",
        errno.EROFS: "the file system is read-only",
        errno.ENOENT: "no such file or folder",
        errno.ENOTDIR: "part of the path is a file, not a folder",
        errno.ELOOP: "the path runs in a circle of symbolic links",
        errno.EMFILE: "too many open files; raise `ulimit -n`",
    }.get(error.errno or 0)
    reason = error.strerror or str(error)
    return f"{doing}: {reason}" + (f" ({advice})" if advice else "")
