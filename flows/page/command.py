"""The command `culpa review`: opens the page for reviewers."""

from typing import Annotated

from cyclopts import Parameter

from culpa.flows.review import HERE, Dataset, Store

__all__ = ["review"]


def review(
    *,
    store: Store = HERE,
    dataset: Dataset = None,
    by: Annotated[str | None, Parameter(help="who reviews; default: the page asks once")] = None,
    source: Annotated[
        str | None, Parameter(help="the column that says where a row comes from; default: the run's source")
    ] = None,
    port: Annotated[int, Parameter(help="the port to listen on, 0 for any that is free")] = 0,
    open_browser: Annotated[bool, Parameter(name="--open", help="open the page in a browser")] = True,
) -> None:
    """Review the flagged rows in a browser: keep, drop, relabel or defer each; Ctrl-C ends it.

    The page is shown to this machine alone, and only to who has the address that is printed.
    """
    from culpa.flows.page.serve import serve

    serve(store, dataset=dataset, source=source, by=by, port=port, open_browser=open_browser)
