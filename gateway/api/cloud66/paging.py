"""Pages of a list, and where one stands among all: `page` from 1, 30 rows each. Pure."""

from __future__ import annotations

from typing import Any, Final

from multidict import MultiMapping

from gateway.api.http import limits
from gateway.api.http.problems import Failure
from gateway.api.http.reading import integer

#: Rows of a page (the example of "Jobs list"); clients cannot ask for another number.
PER_PAGE: Final = 30


def read_page(query: MultiMapping[str]) -> int:
    """The page a request asks for; whatever else clients send is ignored. Raises Failure 400."""
    given = query.getall("page", ["1"])
    page = integer(given[0]) if len(given) == 1 else None
    if page is None or not 1 <= page <= limits.INTEGER_MAX:
        raise Failure(400, "page must be one whole number from 1 on.")
    return page


def pages_of(count: int) -> int:
    """How many pages so many rows fill; no rows are one page, too."""
    return max(1, -(-count // PER_PAGE))


def pagination(page: int, count: int) -> dict[str, Any]:
    """Where a page stands among all of `count` rows. Behind the last one, `previous` leads back to it."""
    pages = pages_of(count)
    return {
        "previous": min(page - 1, pages) if page > 1 else None,
        "next": page + 1 if page < pages else None,
        "current": page,
        "per_page": PER_PAGE,
        "count": count,
        "pages": pages,
    }
