"""Who searches, and what of the record is open to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from charthouse.foundation.access.api import AccessContext
from charthouse.record.api import SearchPage, Stored, Term, fitting, search

Pairs = Sequence[tuple[str, str]]


def _everything(kind: str) -> bool:
    return True


def _nothing_more(kind: str) -> tuple[Term, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Asker:
    """Who searches: ``base`` is the server's address with a slash at its end, ``strict`` whether what is not
    understood is refused, ``readable`` whether the asker's scopes let resources of a type be read, and ``narrowed``
    what must hold for those of a type that may be."""

    ctx: AccessContext
    base: str
    strict: bool = False
    readable: Callable[[str], bool] = _everything
    narrowed: Callable[[str], tuple[Term, ...]] = _nothing_more

    def find(
        self,
        kind: str,
        query: Pairs,
        *,
        cursor: str | None = None,
        count: int | None = None,
        within: tuple[str, str] | None = None,
        terms: Sequence[Term] = (),
        strict: bool | None = None,
    ) -> SearchPage:
        """A page of :func:`charthouse.record.api.search`, of what this asker may see."""
        return search(
            self.ctx,
            kind,
            query,
            cursor=cursor,
            count=count,
            strict=self.strict if strict is None else strict,
            base=self.base,
            within=within,
            terms=(*terms, *self.narrowed(kind)),
            reachable=self._reachable,
        )

    def sees(self, stored: Stored) -> bool:
        """Whether a resource is among what this asker may see of its type."""
        return bool(self.seen([stored]))

    def seen(self, found: Sequence[Stored]) -> list[Stored]:
        """Those of some resources that are among what this asker may see of their types."""
        hidden: set[int] = set()
        for kind in {each.type for each in found}:
            some = [each for each in found if each.type == kind]
            for term in self.narrowed(kind):
                fit = fitting(self.ctx, kind, term, [(each.row, each.resource) for each in some])
                hidden.update(id(each) for each, is_seen in zip(some, fit, strict=True) if not is_seen)
        return [each for each in found if id(each) not in hidden]

    def _reachable(self, kind: str) -> bool:
        # Over a type of which only some may be seen no chain leads: its answer would tell of the others.
        return self.readable(kind) and not self.narrowed(kind)
