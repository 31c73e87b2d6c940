"""Text commands as code: parsing, checking and compiling a string of Python.

A text becomes the body of a function whose parameters are the names of the task's data::

    "total = a + b          def <task>(a, b):
     total * 2"       ─►        total = a + b
                                return total * 2

so that the data are visible in everything nested in the text (comprehensions, lambdas, functions,
classes), and the global names are the ones of whoever runs it. What differs from a function's body
is put right: ``from x import *`` works, and a name that the text assigns starts out with the value
of the global or built-in of that name, as it does at the top of a module (``sum = sum(x)``).
"""

from __future__ import annotations

import ast
import keyword
import textwrap
from collections.abc import Collection, Sequence
from types import CodeType

from crew_core._model.errors import ConfigError

FILENAME = "<task>"
"""Where tracebacks say that a text command's code is, unless told otherwise."""

# All that compile() raises.
_COMPILE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)


def prepare(text: str) -> str:
    """The text as it is compiled: common indentation is removed where it is in the way."""
    try:
        ast.parse(text)
    except IndentationError:
        return textwrap.dedent(text).lstrip()
    except _COMPILE_ERRORS:
        pass
    return text


def parse(text: str) -> ast.Module:
    """The syntax tree of a text.

    Raises:
        SyntaxError: when it is not Python.
    """
    return ast.parse(prepare(text), FILENAME)


def check_program(text: str, names: Collection[str] = ()) -> None:
    """Refuse a text command that could never run, before it is sent anywhere.

    Args:
        text: the command.
        names: the names of its data and of its globals.

    Raises:
        ConfigError: when the text is not Python, or a name cannot be a variable's.
    """
    for name in names:
        check_name(name)
    try:
        compile_program(text, tuple(names))
    except SyntaxError as error:
        raise ConfigError(f"the command is not Python: {_location(error)}") from None
    except _COMPILE_ERRORS as error:
        raise ConfigError(f"the command cannot be compiled: {error!r}") from None


def check_name(name: object) -> None:
    """Refuse what cannot be the name of a variable in a text command.

    Raises:
        ConfigError: naming it.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} cannot be a variable's name in a text command: "
            "use letters, digits and underscores, and no word of the language"
        )


def compile_program(
    text: str, names: Sequence[str], filename: str = FILENAME, *, to_globals: bool = False
) -> CodeType:
    """The text as the code of a function with these parameters, in this order.

    Args:
        text: the command.
        names: of the parameters.
        filename: where tracebacks say that it is.
        to_globals: the names that it assigns are global, as at the top of a module.

    Raises:
        SyntaxError: when it is not Python.
    """
    tree = parse(text)
    compile(tree, filename, "exec", dont_inherit=True)  # refuses return, yield, await outside
    ahead, body = _split_future_imports(tree.body)
    module = ast.parse("def task(): pass")
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.name = FILENAME
    function.args.args = [ast.arg(arg=name, annotation=None) for name in names]
    function.body = _with_value_of_last(body)
    module.body = [*ahead, function]
    code = _code_of_function(module, filename)
    if to_globals and (assigned := sorted(assigned_names(code))):
        plain = [_Unannotated().visit(node) for node in function.body]
        function.body = [ast.Global(names=assigned), *plain]
        code = _code_of_function(module, filename)
    return code


def _code_of_function(module: ast.Module, filename: str) -> CodeType:
    code = compile(ast.fix_missing_locations(module), filename, "exec", dont_inherit=True)
    return next(constant for constant in code.co_consts if isinstance(constant, CodeType))


def assigned_names(code: CodeType) -> frozenset[str]:
    """The names that a compiled text assigns, apart from its parameters."""
    parameters = code.co_varnames[: code.co_argcount]
    return frozenset((*code.co_varnames, *code.co_cellvars)) - frozenset(parameters)


def _split_future_imports(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """What must stay at the top of the module, and the rest."""
    ahead = [node for node in body if isinstance(node, ast.ImportFrom) and _is_future(node)]
    return list(ahead), [node for node in body if node not in ahead]


def _is_future(node: ast.ImportFrom) -> bool:
    return node.module == "__future__" and node.level == 0


def _with_value_of_last(body: list[ast.stmt]) -> list[ast.stmt]:
    statements = [_StarImports().visit(node) for node in body] or [ast.Pass()]
    last = statements[-1]
    if isinstance(last, ast.Expr):
        statements[-1] = ast.copy_location(ast.Return(value=last.value), last)
    return statements


class _OfThisScope(ast.NodeTransformer):
    """Leaves functions and classes alone."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node


class _Unannotated(_OfThisScope):
    """Makes ``x: int = 1`` plain, since a global name may not be annotated in a function."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if not isinstance(node.target, ast.Name):
            return node
        plain = ast.Pass() if node.value is None else ast.Assign([node.target], node.value)
        return ast.copy_location(plain, node)


class _StarImports(_OfThisScope):
    """Makes ``from x import *`` fill the global names, since a function may not contain it."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if all(alias.name != "*" for alias in node.names):
            return node
        builtins = "__import__('builtins')"
        call = f"{builtins}.exec({ast.unparse(node)!r}, {builtins}.globals())"
        statement = ast.parse(call).body[0]
        for part in ast.walk(statement):
            ast.copy_location(part, node)
        return statement


def _location(error: SyntaxError) -> str:
    """A syntax error on one or two lines: what, where, and the line itself."""
    where = f"{error.msg} (line {error.lineno})" if error.lineno else str(error.msg)
    line = (error.text or "").rstrip()
    return f"{where}\n    {line.lstrip()}" if line.strip() else where
