"""Writes small Excel workbooks by hand, so that tests know every cell's type."""

import datetime
import zipfile
from xml.sax.saxutils import escape

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Cell formats: 0 general, 1 date and time, 2 date (the built-in number formats 22 and 14).
STYLES = f"""<styleSheet {MAIN}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>"""
EPOCH = datetime.datetime(1899, 12, 30)


def workbook(path, **sheets):
    """Write sheets of rows of cells: None is no cell, a text that starts with # an error, dates are serials with a date format."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", _types())
        archive.writestr("_rels/.rels", _relations([("r1", "officeDocument", "xl/workbook.xml")]))
        archive.writestr("xl/workbook.xml", _sheets(list(sheets)))
        targets = [(f"s{place}", "worksheet", f"worksheets/sheet{place}.xml") for place in range(len(sheets))]
        archive.writestr("xl/_rels/workbook.xml.rels", _relations([*targets, ("st", "styles", "styles.xml")]))
        archive.writestr("xl/styles.xml", STYLES)
        for place, rows in enumerate(sheets.values()):
            archive.writestr(f"xl/worksheets/sheet{place}.xml", f"<worksheet {MAIN}><sheetData>{_rows(rows)}</sheetData></worksheet>")
    return path


def _types():
    return (f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>')


def _relations(entries):
    inner = "".join(f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>' for key, kind, target in entries)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'


def _sheets(names):
    inner = "".join(f'<sheet name="{escape(name)}" sheetId="{place + 1}" r:id="s{place}"/>' for place, name in enumerate(names))
    return f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{inner}</sheets></workbook>'


def _rows(rows):
    return "".join(f'<row r="{number}">' + "".join(_cell(f"{chr(65 + place)}{number}", value) for place, value in enumerate(row)) + "</row>"
                   for number, row in enumerate(rows, start=1))


def _cell(reference, value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str) and value.startswith("#"):
        return f'<c r="{reference}" t="e"><v>{value}</v></c>'
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, datetime.datetime):
        return f'<c r="{reference}" s="1"><v>{(value - EPOCH) / datetime.timedelta(days=1)!r}</v></c>'
    if isinstance(value, datetime.date):
        return f'<c r="{reference}" s="2"><v>{(value - EPOCH.date()).days}</v></c>'
    return f'<c r="{reference}"><v>{value!r}</v></c>'
