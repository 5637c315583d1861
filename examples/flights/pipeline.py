"""What the weather adds to the worst delays from New York, month by month, through a year.

Run it with ``stagecache run pipeline.py:year folder=work`` after ``python prepare.py work``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from regression import bootstrap

from stagecache import File, pipeline, stage

LATE = 15  # minutes
WEATHER = {"wind_speed": 10.0, "precip": 0.1, "haze": 1.0}  # one unit: 10 mph, 0.1 inch, 1 mile
CONTROLS = ["hour", "distance", "plane_age", "seats", "time_zone"]


@stage
def load(path: File) -> pd.DataFrame:
    """Read one month of flights."""
    columns = ["month", "hour", "time_hour", "carrier", "flight", "tailnum", "origin", "dest"]
    return pd.read_csv(path, usecols=[*columns, "distance", "dep_delay"])


@stage
def lookup(path: File, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read some columns of a small table, one row for each key."""
    return pd.read_csv(path, usecols=list(columns)).drop_duplicates(ignore_index=True)


@stage
def clean(flights: pd.DataFrame) -> pd.DataFrame:
    """Drop cancelled flights and put the others in order, whatever order the file had."""
    flown = flights.dropna(subset=["dep_delay"])
    return flown.sort_values(["time_hour", "origin", "carrier", "flight"], ignore_index=True)


def joined(flights: pd.DataFrame, table: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Add the columns of a lookup table; flights that it does not know stay, with gaps."""
    return flights.merge(table, how="left", on=list(keys), validate="many_to_one")


@stage
def with_weather(flights: pd.DataFrame, *, weather: pd.DataFrame) -> pd.DataFrame:
    """Add the weather at the airport in the hour of departure."""
    return joined(flights, weather.assign(haze=10.0 - weather["visib"]), "origin", "time_hour")


@stage
def with_planes(flights: pd.DataFrame, *, planes: pd.DataFrame) -> pd.DataFrame:
    """Add the age and the size of the plane."""
    return joined(flights, planes.assign(plane_age=2013 - planes["year"]), "tailnum")


@stage
def with_airports(flights: pd.DataFrame, *, airports: pd.DataFrame) -> pd.DataFrame:
    """Add where the flight goes: the destination's time zone."""
    return joined(flights, airports.rename(columns={"faa": "dest", "tz": "time_zone"}), "dest")


@stage
def with_airlines(flights: pd.DataFrame, *, airlines: pd.DataFrame) -> pd.DataFrame:
    """Add the airline's name."""
    return joined(flights, airlines.rename(columns={"name": "airline"}), "carrier")


@stage
def weather_effects(
    flights: pd.DataFrame, *, quantile: float, draws: int, seed: int = 2013
) -> pd.DataFrame:
    """Estimate how many minutes the weather adds to a quantile of the month's delays."""
    known = flights.dropna(subset=list(WEATHER))
    weather = known[list(WEATHER)] / pd.Series(WEATHER)
    controls = known[CONTROLS].fillna(known[CONTROLS].median())
    controls = (controls - controls.mean()) / controls.std()
    x = np.column_stack([np.ones(len(known)), weather, controls])
    y = known["dep_delay"].to_numpy(dtype=float)
    minutes, low, high = bootstrap(x, y, quantile=quantile, draws=draws, seed=seed)
    terms = slice(1, 1 + len(WEATHER))
    return pd.DataFrame(
        {
            "month": known["month"].iloc[0],
            "weather": list(WEATHER),
            "minutes": minutes[terms],
            "low": low[terms],
            "high": high[terms],
        }
    )


@stage
def punctuality(flights: pd.DataFrame) -> pd.DataFrame:
    """Count each airline's flights of the month and the share of them that left late."""
    late = flights["dep_delay"].gt(LATE).groupby([flights["month"], flights["airline"]])
    return late.agg(flights="size", late="mean").reset_index()


@stage
def report(effects: list[pd.DataFrame], airlines: list[pd.DataFrame], path: str) -> File:
    """Write the year as a Parquet file: a row for each month."""
    by_airline = pd.concat(airlines).assign(late=lambda t: t["late"] * t["flights"])
    months = by_airline.groupby("month")[["flights", "late"]].sum()
    weather = pd.concat(effects).pivot_table(
        index="month", columns="weather", values=["minutes", "low", "high"]
    )
    weather.columns = weather.columns.map("_".join)
    months["late"] /= months["flights"]
    months.join(weather).reset_index().to_parquet(path, index=False)
    return File(path)


@stage
def picture(effects: list[pd.DataFrame], airlines: list[pd.DataFrame], path: str) -> File:
    """Draw the year: the weather's minutes month by month, and who left late."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    by_term = pd.concat(effects).set_index("weather")
    for offset, term in enumerate(WEATHER):
        rows = by_term.loc[term]
        months = rows["month"] + 0.2 * (offset - 1)
        left.plot(months, rows["minutes"], "o", color=f"C{offset}", label=term)
        left.vlines(months, rows["low"], rows["high"], color=f"C{offset}")
    left.axhline(0, color="grey", linewidth=0.8)
    left.set(title="What weather adds to the worst tenth of delays", xlabel="month")
    left.set_ylabel("minutes per 10 mph, 0.1 inch, mile of haze")
    left.set_xticks(range(1, 13))
    left.legend(loc="upper left")
    late = pd.concat(airlines).pivot(index="airline", columns="month", values="late")
    image = right.imshow(late, aspect="auto", cmap="magma_r", vmax=0.6)
    right.set(title=f"Share of flights more than {LATE} minutes late", xlabel="month")
    right.set_xticks(range(late.shape[1]), late.columns)
    right.set_yticks(range(late.shape[0]), late.index)
    figure.colorbar(image, ax=right, extend="max")
    figure.savefig(path, dpi=120)
    return File(path)


@pipeline
def year(folder: str = "work", quantile: float = 0.9, draws: int = 40) -> tuple[File, File]:
    """Read every month below `folder` and leave report.parquet and picture.png there."""
    weather = lookup(
        File(f"{folder}/weather.csv"), ("origin", "time_hour", "wind_speed", "precip", "visib")
    )
    planes = lookup(File(f"{folder}/planes.csv"), ("tailnum", "year", "seats"))
    airports = lookup(File(f"{folder}/airports.csv"), ("faa", "tz"))
    airlines = lookup(File(f"{folder}/airlines.csv"), ("carrier", "name"))

    months = clean.map(load.map(File.glob(f"{folder}/flights/*.csv")))
    months = with_weather.map(months, weather=weather)
    months = with_planes.map(months, planes=planes)
    months = with_airports.map(months, airports=airports)
    months = with_airlines.map(months, airlines=airlines)

    effects = weather_effects.map(months, quantile=quantile, draws=draws)
    late = punctuality.map(months)
    return (
        report(effects, late, f"{folder}/report.parquet"),
        picture(effects, late, f"{folder}/picture.png"),
    )
