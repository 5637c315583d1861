"""Stages that both sharing notebooks import."""

from __future__ import annotations

import pandas as pd

from stagecache import stage


@stage
def sales(days: int) -> pd.DataFrame:
    """Return one row a day and shop, as if a slow database had been asked."""
    print(f"computing sales of {days} days")
    rows = [(day, shop, (day * 37 + shop * 11) % 100) for day in range(days) for shop in range(4)]
    return pd.DataFrame(rows, columns=["day", "shop", "amount"])


@stage
def by_shop(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the total of each shop."""
    print("computing totals by shop")
    return frame.groupby("shop", as_index=False)["amount"].sum()
