"""Edits of what libraries find by annotations, which make values by them or check values."""

from __future__ import annotations

from cases import keep, rerun

_MODELS = """
    from __future__ import annotations
    from dataclasses import dataclass
    from pydantic import BaseModel, TypeAdapter, validate_call

    class Order(BaseModel):
        item: Item

    class Item(BaseModel):
        price: int

        def cost(self):
            return $edit

    @dataclass
    class Line:
        cell: Cell

    @dataclass
    class Cell:
        price: int

        def cost(self):
            return $edit

    LINES = TypeAdapter(Line)

    @validate_call
    def checked(item: Item):
        return item.cost()
"""
_WORK = """
    import msgspec
    import models
    from models import LINES, Line, Order, checked

    @stage
    def model(x):
        return Order.model_validate({"item": {"price": x}}).item.cost()

    @stage
    def other(x):
        return Order(item={"price": x}).item.cost()

    @stage
    def adapted(x):
        return LINES.validate_python({"cell": {"price": x}}).cell.cost()

    @stage
    def converted(x):
        return msgspec.convert({"cell": {"price": x}}, Line).cell.cost()

    @stage
    def called(x):
        return checked({"price": x})

    def work(x):
        return model(x), other(x), model(x), adapted(x), converted(x), called(x)
"""
rerun(
    "a method of a class that only annotations name",
    "self.price * 2",
    "self.price * 3",
    _WORK,
    models=_MODELS,
    reruns=("model", "other", "adapted", "converted", "called"),
)
_KINDS = """
    from dataclasses import dataclass
    import msgspec
    from pydantic import TypeAdapter, validate_call

    @dataclass
    class Line:
        price: $edit

    LINES = TypeAdapter(list[Line])

    @validate_call
    def checked(price: $edit):
        return price

    def plain(price: $edit):
        return price

    @stage
    def adapted(x):
        return LINES.validate_python([{"price": x}])[0].price

    @stage
    def converted(x):
        return msgspec.convert({"price": x}, Line).price

    @stage
    def called(x):
        return checked(x)

    @stage
    def given(x):
        return plain(Line(x).price)

    def work(x):
        return adapted(x), converted(x), called(x), given(x)
"""
rerun(
    "an annotation by which a library makes values",
    "int",
    "float",
    _KINDS,
    reruns=("adapted", "converted", "called"),
)
keep("how an annotation by which a library makes values is written", "int", "(int)", _KINDS)
