"""How Babel finds our texts: `make messages` reads this by way of babel.cfg.

In Python, besides what gettext's functions are given: every whole sentence that is no docstring,
the titles of errors, and what `pneumonia.phrases.phrase` is given. An f-string becomes a pattern:
each expression in it a placeholder with a name, a module's own constant its text.
"""

import ast
import io
import re
from collections.abc import Iterator
from typing import Any

from babel.messages.extract import extract_javascript, extract_python

Found = tuple[int, str, tuple[str, ...], list[str]]

SENTENCE = re.compile(r"(?s)\s*[A-Z%].* .*([.?]|\. %\(\w+\)s)")
GAP = re.compile(r"%\(\w+\)s")
_LEAST = 8
"""Characters that a pattern has beside its placeholders: fewer would fit any sentence."""
UNSEEN = ("BadSetting", "debug", "info", "warning", "error", "exception", "echo", "TypeError")
"""What is raised or called with a text that no page shows."""
_INSIDE = ("ValueError", "RuntimeError", "AssertionError", "KeyError", "getLogger", "compile")


def extract_ours(fileobj: Any, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Found]:
    source = fileobj.read()
    yield from extract_python(io.BytesIO(source), keywords, comment_tags, options)
    tree = ast.parse(source)
    for line, text in sorted(_Texts(tree).found):
        yield line, "pgettext", ("sentence", text), []


def extract_scripts(
    fileobj: Any, keywords: Any, comment_tags: Any, options: Any
) -> Iterator[Found]:
    """What `say` of texts.js is given."""
    for line, _, text, comments in extract_javascript(fileobj, ["say"], comment_tags, options):
        yield line, "pgettext", ("script", text if isinstance(text, str) else text[0]), comments


class _Texts(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.found: set[tuple[int, str]] = set()
        self._constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            for target in (node.targets[0] if isinstance(node, ast.Assign) else node.target,)
            if isinstance(target, ast.Name)
        }
        self.visit(tree)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in UNSEEN or name in _INSIDE or name.endswith(("gettext", "phrase")):
            if name == "phrase":
                self._take(node.args[0])
            return
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Name) and node.targets[0].id == "title":
            self._take(node.value)
        else:
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name) and node.target.id == "title" and node.value:
            self._take(node.value)
        else:
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and SENTENCE.fullmatch(node.value):
            self.found.add((node.lineno, node.value.strip()))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pattern = self._pattern(node)
        if SENTENCE.fullmatch(pattern) and len(GAP.sub("", pattern)) >= _LEAST:
            self.found.add((node.lineno, pattern.strip()))

    def _take(self, node: ast.expr) -> None:
        if isinstance(node, ast.JoinedStr):
            self.found.add((node.lineno, self._pattern(node)))
        elif isinstance(node, ast.Constant):
            self.found.add((node.lineno, str(node.value)))

    def _pattern(self, node: ast.JoinedStr) -> str:
        text, names = "", []
        has_gaps = any(
            isinstance(part, ast.FormattedValue) and self._constant(part) is None
            for part in node.values
        )
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                fixed = self._constant(part)
                if fixed is None:
                    names.append(name := _name(part.value, names))
                    text += f"%({name})s"
                    continue
            else:
                fixed = str(ast.literal_eval(part))
            text += fixed.replace("%", "%%") if has_gaps else fixed
        return text

    def _constant(self, part: ast.FormattedValue) -> str | None:
        text = self._constants.get(part.value.id) if isinstance(part.value, ast.Name) else None
        return repr(text) if text is not None and part.conversion == ord("r") else text


def _name(node: ast.expr, taken: list[str]) -> str:
    """What an expression of an f-string is called in its pattern."""
    while isinstance(node, ast.Call | ast.Subscript | ast.BinOp | ast.BoolOp):
        match node:
            case ast.Call():
                node = node.func
            case ast.Subscript():
                node = node.value
            case ast.BinOp():
                node = node.right if isinstance(node.left, ast.Constant) else node.left
            case ast.BoolOp():
                node = node.values[0]
    name = getattr(node, "id", getattr(node, "attr", "value")).strip("_").lower()
    number = taken.count(name) + sum(one.startswith(f"{name}_") for one in taken)
    return f"{name}_{number + 1}" if number else name
