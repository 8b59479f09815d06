"""Render a page from a Jinja2 template.

A page template lies next to the module that fills it, and extends `layout.html.j2`. All values are escaped. The filter
`text` also isolates right-to-left words, so that they do not turn the words next to them.
"""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def render_page(package: str, template: str, **values: Any) -> str:
    """Return the page that a template of a package makes of the values.

    Args:
        package: The import package that holds the template, such as `eval.report`.
        template: The file name of the template.
        values: The names that the template uses; `title` is required by the layout.
    """
    return _environment(package).get_template(template).render(values)


def text(value: object) -> Markup:
    """Return any value as HTML; words beyond ASCII get their own text direction."""
    words = escape(str(value))
    return words if words.isascii() else Markup('<bdi dir="auto">{}</bdi>').format(words)


@functools.cache
def _environment(package: str) -> Environment:
    shared = PackageLoader("core.html", "templates")
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), shared]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["text"] = text
    # The stylesheet and the script are included as they are: they are not templates.
    environment.globals["asset"] = lambda name: Markup(shared.get_source(environment, name)[0])
    return environment
