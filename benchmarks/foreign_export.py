"""A simulated portfolio as a German accountant would export it, for the walk of docs/ten_minutes.md.

    python -m benchmarks.foreign_export FOLDER [--customers 2500] [--months 72] [--seed 909]

Five files with other names and formats than ours: semicolons, cp1252, `1.234,50`, `31.12.2023` as text, numbers with leading zeros, accounts in thousands,
a customer file whose entry date is the day of an import. The rows are simulated; the formats are what such programs write.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from pipeline.sources.simulated import Settings, simulate

LINES = {"total_assets": "Bilanzsumme", "current_assets": "Umlaufvermögen", "cash": "Liquide Mittel", "equity": "Eigenkapital",
         "total_liabilities": "Verbindlichkeiten", "current_liabilities": "Kurzfristige Verbindlichkeiten", "revenue": "Umsatzerlöse",
         "ebit": "Betriebsergebnis", "net_income": "Jahresüberschuss", "interest_expense": "Zinsaufwand"}


def export(tables, folder):
    """Write Kunden, Rechnungen, Zahlungen, Abschlüsse_TEUR and Ausfälle as CSV into `folder`, from the simulator's Parquet files in `tables`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _files(tables).items():
        frame.to_csv(folder / f"{name}.csv", sep=";", index=False, encoding="cp1252")


def _files(tables):
    read = {name: pd.read_parquet(tables / f"{name}.parquet") for name in ("customers", "invoices", "payments", "statements", "outcomes")}
    return {"Kunden": _customers(read["customers"]), "Rechnungen": _invoices(read["invoices"]), "Zahlungen": _payments(read["payments"]),
            "Abschlüsse_TEUR": _statements(read["statements"]), "Ausfälle": _outcomes(read["outcomes"])}


def _customers(rows):
    rows = rows.sort_values("known_at").drop_duplicates("customer_id")
    return pd.DataFrame({
        "Kundennummer": _number(rows), "Firma": "Firma " + _number(rows), "Branche": rows["industry"], "Bundesland": rows["region"],
        "Rechtsform": rows["ownership"], "Gründungsdatum": rows["founded_on"].dt.date, "Kunde seit": rows["onboarded_on"].dt.date,
        "Angelegt am": rows["known_at"].dt.date})


def _invoices(rows):
    return pd.DataFrame({"Belegnr": rows["invoice_id"], "Debitor": _number(rows), "Rechnungsdatum": _day(rows["issued_at"]),
                         "Fällig am": _day(rows["due_at"]), "Betrag": _comma(rows["amount"] / 100), "Währung": "EUR"})


def _payments(rows):
    return pd.DataFrame({"Zahlungsnr": rows["payment_id"], "Rechnung": rows["invoice_id"], "Debitor": _number(rows), "Zahldatum": _day(rows["occurred_at"]),
                         "Gebucht am": _day(rows["known_at"]), "Betrag": _comma(rows["amount"] / 100), "Art": rows["kind"]})


def _statements(rows):
    rows = rows[rows["period_months"] == 12]
    lines = {german: _comma(rows[line] / 1000, digits=3) for line, german in LINES.items()}
    return pd.DataFrame({"Debitor": _number(rows), "Stichtag": _day(rows["period_end"]), "Eingereicht": _day(rows["known_at"]), **lines})


def _outcomes(rows):
    rows = rows[rows["kind"] == "default"]
    return pd.DataFrame({"Debitor": _number(rows), "Ausfalldatum": _day(rows["occurred_at"]), "Gemeldet am": _day(rows["known_at"]),
                         "Verlust": _comma(rows["loss"] / 100)})


def _number(rows):
    return rows["customer_id"].str[1:]


def _day(moments):
    return moments.dt.strftime("%d.%m.%Y")


def _comma(numbers, digits=2):
    swap = str.maketrans(",.", ".,")
    return numbers.map(lambda number: "" if pd.isna(number) else f"{number:,.{digits}f}".translate(swap))


def main():
    """Simulate and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=2500)
    parser.add_argument("--months", type=int, default=72)
    parser.add_argument("--seed", type=int, default=909)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        simulate(Path(scratch) / "tables", Path(scratch) / "truth", settings=Settings(customers=given.customers, months=given.months, seed=given.seed))
        export(Path(scratch) / "tables", given.folder)


if __name__ == "__main__":
    main()
