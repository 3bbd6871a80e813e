"""All mutants of a module: one node of its syntax tree changed at a time. Nothing is written to disk."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

_COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}


class Mutant(NamedTuple):
    """One change. ``owner`` is the outermost function that it is in, or the module's constant that it changes."""

    number: int
    line: int
    owner: str
    what: str
    text: str
    code: CodeType | int

    @property
    def is_constant(self) -> bool:
        return isinstance(self.code, int)


def mutants_of(source: str, filename: str) -> Iterator[Mutant]:
    """Every mutant of a module, in order."""
    tree = ast.parse(source, filename)
    lines = [line.strip() for line in source.splitlines()]
    number = 0
    for owner, top in _owners(tree.body, ""):
        for node, what, change in _changes(top):
            changed = _with(tree, node, change)
            code = compile(ast.fix_missing_locations(changed), filename, "exec")
            yield Mutant(number, node.lineno, owner, what, lines[node.lineno - 1], _code_of(code, owner))
            number += 1
    for name, value, line in _constants(tree.body):
        for other in (value - 1, value + 1):
            yield Mutant(number, line, name, f"{value} -> {other}", lines[line - 1], other)
            number += 1


def names_read(source: str) -> dict[str, set[str]]:
    """Of each name, the outermost functions that read it."""
    found: dict[str, set[str]] = {}
    for owner, top in _owners(ast.parse(source).body, ""):
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                found.setdefault(node.id, set()).add(owner)
    return found


def _owners(body: list[ast.stmt], within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield within + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _owners(node.body, f"{within}{node.name}.")


def _constants(body: list[ast.stmt]) -> Iterator[tuple[str, int, int]]:
    """Whole numbers with a name, as limits are; also those that are written as a product or a power."""
    for node in body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if not isinstance(target, ast.Name) or node.value is None:
            continue
        if all(isinstance(one, (ast.Constant, ast.BinOp, ast.operator)) for one in ast.walk(node.value)):
            value = eval(compile(ast.Expression(node.value), "constant", "eval"))
            if type(value) is int:
                yield target.id, value, node.lineno


def _changes(top: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, object]]:
    """What can be changed within a function: the node, in words, and what to put in its place or into its field."""
    signature = {id(one) for part in (top.args, top.returns, *top.decorator_list) if part for one in ast.walk(part)}
    annotations = {
        id(inner) for one in ast.walk(top) if isinstance(one, ast.AnnAssign) for inner in ast.walk(one.annotation)
    }
    for node in ast.walk(top):
        if id(node) not in signature and id(node) not in annotations:
            yield from ((node, what, change) for what, change in _changes_of(node))


def _changes_of(node: ast.AST) -> Iterator[tuple[str, object]]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                other = _COMPARE[type(op)]
                yield f"{type(op).__name__} -> {other.__name__}", ("ops", place, other())
        case ast.BoolOp(op=op):
            other = ast.Or if isinstance(op, ast.And) else ast.And
            yield f"{type(op).__name__} -> {other.__name__}", ("op", None, other())
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC and not _is_text(node):
            other = _ARITHMETIC[type(op)]
            yield f"{type(op).__name__} -> {other.__name__}", ("op", None, other())
        case ast.UnaryOp(op=ast.Not()):
            yield "without not", ("", None, node.operand)
        case ast.Constant(value=bool(value)):
            yield f"{value} -> {not value}", ("value", None, not value)
        case ast.Constant(value=int(value)):
            yield f"{value} -> {value + 1}", ("value", None, value + 1)
            yield f"{value} -> {value - 1}", ("value", None, value - 1)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, (ast.Compare, ast.BoolOp)):
                yield "condition turned", ("test", None, ast.UnaryOp(ast.Not(), test))
            yield "condition False", ("test", None, ast.Constant(value=False))
        case ast.Raise():
            yield "without raise", ("", None, ast.Pass())
        case ast.Return(value=value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value in (None, "", b"")
        ):
            yield "return None", ("value", None, ast.Constant(value=None))
        case ast.Expr(value=ast.Call()):
            yield "without call", ("", None, ast.Pass())
        case ast.Break():
            yield "break -> continue", ("", None, ast.Continue())
        case ast.Continue():
            yield "continue -> break", ("", None, ast.Break())


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _with(tree: ast.Module, node: ast.AST, change: object) -> ast.Module:
    """The tree with one node changed; the rest is shared, so it is a copy only where it has to be."""
    field, place, value = change
    new = copy.copy(node) if field else ast.copy_location(copy.copy(value), node)
    if field and place is None:
        setattr(new, field, value)
    elif field:
        setattr(new, field, [value if index == place else one for index, one in enumerate(getattr(node, field))])
    made = _Replace(node, new).visit(tree)
    assert isinstance(made, ast.Module)
    return made


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = copy.copy(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, field, [self.visit(one) if isinstance(one, ast.AST) else one for one in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _code_of(code: CodeType, owner: str) -> CodeType:
    for name in owner.split("."):
        # Of two functions with one name, as of a property, the last counts, as when the module runs.
        code = [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name][-1]
    return code
