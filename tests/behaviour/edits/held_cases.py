"""Edits of what code holds inside other values: modules, compiled text, models of libraries."""

from __future__ import annotations

from importlib.util import find_spec

from cases import move, rerun

rerun(
    "module in a dict of implementations",
    "x + 1",
    "x + 2",
    """
    import fast, slow

    WAYS = {"fast": fast, "slow": slow}

    @stage
    def work(x, way="slow"):
        return WAYS[way].run(x)
""",
    fast="""
    def run(x):
        return x
""",
    slow="""
    def run(x):
        return $edit
""",
)
rerun(
    "module on an instance",
    "x + 1",
    "x + 2",
    """
    import impl

    class Context:
        def __init__(self):
            self.impl = impl

    CONTEXT = Context()

    @stage
    def work(x):
        return CONTEXT.impl.run(x)
""",
    impl="""
    def run(x):
        return $edit
""",
)
rerun(
    "compiled rule",
    "x + 1",
    "x + 2",
    """
    RULE = compile("$edit", "<rule>", "eval")

    @stage
    def work(x):
        return eval(RULE, {"x": x})
""",
)
rerun(
    "helper of a compiled rule",
    "x + 1",
    "x + 2",
    """
    RULE = compile("bump(3)", "<rule>", "eval")

    def bump(x):
        return $edit

    @stage
    def work(x):
        return eval(RULE)
""",
)
rerun(
    "constraint of a nested pydantic model",
    "le=10",
    "le=2",
    """
    from models import Outer
    from pydantic import ValidationError

    @stage
    def work(x):
        try:
            return Outer(inner={"size": x}).inner.size
        except ValidationError:
            return "too large"
""",
    models="""
    from pydantic import BaseModel, Field, field_validator

    class Inner(BaseModel):
        size: int = Field($edit)

        @field_validator("size")
        @classmethod
        def doubled(cls, value):
            return value * 2

    class Outer(BaseModel):
        inner: Inner
""",
)
_PLUGINS = """
import importlib, pkgutil
import plugins

@stage
def work(x):
    names = [found.name for found in pkgutil.iter_modules(plugins.__path__)]
    return [importlib.import_module(f"plugins.{name}").run(x) for name in names]
"""
move(
    "plugin added to a package that is searched",
    _PLUGINS,
    _PLUGINS,
    before={"plugins/__init__.py": "", "plugins/one.py": "def run(x):\n    return x"},
    after={
        "plugins/__init__.py": "",
        "plugins/one.py": "def run(x):\n    return x",
        "plugins/two.py": "def run(x):\n    return -x",
    },
    reruns=("work",),
)
for _name, _line in {
    "the default of a field": "size: int = $edit",
    "what makes the default of a field": "size: list = msgspec.field(default_factory=Box$edit)",
}.items():
    rerun(
        f"{_name} of a struct",
        "5",
        "6",
        f"""
    import msgspec

    class Box5(list):
        pass

    class Box6(list):
        pass

    class Item(msgspec.Struct):
        name: str
        {_line}

    @stage
    def work(x):
        return type(Item("a").size).__name__, Item("a").size
""",
    )
rerun(
    "the name of a struct's field in texts",
    '"a"',
    '"b"',
    """
    import msgspec

    class Item(msgspec.Struct, rename={"name": $edit}, omit_defaults=True):
        name: str

    @stage
    def work(x):
        return msgspec.json.encode(Item("a"))
""",
)
rerun(
    "what was hashed so far",
    "a",
    "b",
    """
    import hashlib, hmac

    class Signer:
        def __init__(self, salt):
            self.made = hashlib.sha256(salt)

        def sign(self, text):
            made = self.made.copy()
            made.update(text)
            return made.hexdigest()

    SIGNER = Signer(b"$edit")
    KEYED = {"md5": hmac.new(b"$edit", digestmod="md5")}
    ALONE = hmac.new(b"$edit", digestmod="md5")

    @stage
    def signed(x):
        return SIGNER.sign(b"x")

    @stage
    def keyed(x):
        return KEYED["md5"].hexdigest()

    @stage
    def alone(x):
        return ALONE.hexdigest()

    @stage
    def given(made):
        return made.hexdigest()

    def work(x):
        return signed(x), keyed(x), alone(x), given(hashlib.blake2b(b"$edit"))
""",
    reruns=("signed", "keyed", "alone", "given"),
)
rerun(
    "what is asked of a thing that cannot be taken apart",
    "5",
    "6",
    """
    import threading

    TIMER = threading.Timer($edit, print, args=[$edit])

    @stage
    def work(x):
        return TIMER.interval * x + TIMER.args[0]
""",
)
if find_spec("wrapt") is not None:
    rerun(
        "a wrapper and a proxy of wrapt",
        "5",
        "6",
        """
        import wrapt

        @wrapt.decorator
        def scaled(wrapped, instance, args, kwargs):
            return wrapped(*args, **kwargs) * $edit

        @scaled
        def given(x):
            return x

        PROXY = wrapt.ObjectProxy({"limit": $edit})

        @stage
        def work(x):
            return given(x)

        @stage
        def looked(x):
            return PROXY["limit"]

        @stage
        def passed(proxy):
            return proxy["limit"]
""",
        call="(work(3), looked(1), passed(PROXY))",
        reruns=("work", "looked", "passed"),
    )
