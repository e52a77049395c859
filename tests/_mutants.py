"""Mutants of a module: its syntax tree with one small change, and how it is imported instead."""

from __future__ import annotations

import ast
import importlib.abc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

OTHER_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OTHER_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
}


class Mutant(NamedTuple):
    """A change of one node of a syntax tree, by a name that stays when lines move."""

    name: str
    owner: ast.AST
    field: str
    place: int | None
    new: ast.AST

    def apply(self) -> None:
        if self.place is None:
            setattr(self.owner, self.field, self.new)
        else:
            getattr(self.owner, self.field)[self.place] = self.new


def mutants_of(tree: ast.Module) -> list[Mutant]:
    """List the mutants of a module."""
    seen: Counter[str] = Counter()
    found = []
    for node, owner, field, place, scope in nodes_of(tree, "module"):
        for new in variants(node, owner, field):
            within = f"{shown(owner)}: " if isinstance(node, ast.Constant) else ""
            name = f"{scope}: {within}{shown(node)} -> {shown(new)}"
            seen[name] += 1
            name += f" (#{seen[name]})" if seen[name] > 1 else ""
            found.append(Mutant(name, owner, field, place, ast.copy_location(new, node)))
    return found


def nodes_of(owner: ast.AST, scope: str) -> Iterator[tuple[ast.AST, ast.AST, str, int | None, str]]:
    """Go through what is to be changed; not what is declared, and not how errors are put."""
    for field, value in ast.iter_fields(owner):
        if field in ("annotation", "returns", "decorator_list") or isinstance(owner, ast.Raise):
            continue
        for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or is_inert(node):
                continue
            yield node, owner, field, place, scope
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                inner = node.name if scope == "module" else f"{scope}.{node.name}"
                yield from nodes_of(node, inner)
            else:
                yield from nodes_of(node, scope)


def is_inert(node: ast.AST) -> bool:
    """Whether a node is a docstring or the list of public names."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def variants(node: ast.AST, owner: ast.AST, field: str) -> Iterator[ast.AST]:
    """Make what may stand in the place of a node."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in OTHER_COMPARISONS[type(operator)]:
                ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for place in range(len(node.values)):
            yield ast.BoolOp(node.op, [*node.values[:place], *node.values[place + 1 :]])
    elif isinstance(node, ast.BinOp):
        if type(node.op) in OTHER_ARITHMETIC:
            yield ast.BinOp(node.left, OTHER_ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign):
        yield ast.AugAssign(node.target, OTHER_ARITHMETIC[type(node.op)](), node.value)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield ast.Constant(node.value + 1)
            if isinstance(node.value, int):
                yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Return):
        if node.value is not None and ast.unparse(node.value) != "None":
            yield ast.Return(ast.Constant(None))
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield ast.Continue() if isinstance(node, ast.Break) else ast.Break()
    if is_condition(owner, field) and not isinstance(node, (ast.Compare, ast.UnaryOp)):
        yield ast.UnaryOp(ast.Not(), node)
    if is_removable(node):
        yield ast.Pass()


def is_condition(owner: ast.AST, field: str) -> bool:
    """Whether a field decides what is done."""
    return (isinstance(owner, ast.If) and field == "test") or field == "ifs"


def is_removable(node: ast.AST) -> bool:
    """Whether a statement has an effect, and its removal leaves no local name undefined."""
    if isinstance(node, ast.Assign):
        return not any(isinstance(part, ast.Name) for part in targets_of(node))
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, (ast.Yield, ast.YieldFrom))
    return isinstance(node, (ast.AugAssign, ast.Delete, ast.Raise))


def targets_of(node: ast.Assign) -> Iterator[ast.AST]:
    for target in node.targets:
        yield from target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]


def shown(node: ast.AST) -> str:
    """Write a node in a line."""
    text = " ".join(ast.unparse(ast.fix_missing_locations(node)).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


class MutantFinder(importlib.abc.MetaPathFinder):
    """Import one module from another file."""

    def __init__(self, fullname: str, path: str) -> None:
        self.fullname = fullname
        self.path = path

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return spec_from_file_location(fullname, self.path) if fullname == self.fullname else None


def put_in_place(module: str, tree: ast.Module, folder: Path) -> None:
    """Have a module imported from a syntax tree, in this process and in those that it starts."""
    file = folder / f"{os.getpid()}.py"
    file.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    source = (module.removesuffix(".py").replace("/", "."), str(file))
    sys.meta_path.insert(0, MutantFinder(*source))
    (folder / "sitecustomize.py").write_text(
        f"import sys\nfrom tests._mutants import MutantFinder\n"
        f"sys.meta_path.insert(0, MutantFinder{source})\n",
        encoding="utf-8",
    )
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"
