"""The tag ``url``, remembering addresses: a page has some hundred, and most stand on the page before as well."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from django import template
from django.template import Context, defaulttags
from django.template.base import Parser, Token
from django.urls import get_script_prefix, reverse
from django.utils.html import conditional_escape

register = template.Library()

#: What is written into an address as it is, so that the same value is always the same address.
_PLAIN = frozenset({str, int, UUID})


class AddressNode(defaulttags.URLNode):
    """As Django's, which looks through all routes for every address."""

    def render(self, context: Context) -> str:
        values = [each.resolve(context) for each in self.args]
        if self.kwargs or self.asvar or not _PLAIN.issuperset(map(type, values)):
            return super().render(context)
        found = _address(get_script_prefix(), self.view_name.resolve(context), *values)
        return conditional_escape(found) if context.autoescape else found


# Typed, for True is 1 and 1.0 is 1.
@lru_cache(maxsize=4096, typed=True)
def _address(prefix: str, name: str, *values: Any) -> str:
    del prefix
    return reverse(name, args=values)


@register.tag
def url(parser: Parser, token: Token) -> AddressNode:
    """The address of a view by its name: ``{% url "name" value … %}``."""
    node = defaulttags.url(parser, token)
    return AddressNode(node.view_name, node.args, node.kwargs, node.asvar)
