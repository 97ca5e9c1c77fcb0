"""The print of the demo's network printer: G-code in a 3MF archive, as slicers for such printers export it.

The names are those of Bambu Studio and OrcaSlicer (`.gcode.3mf`). The model itself is left out: printers take
the plate's G-code, and what the slicer says about it.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

PLATE = "Metadata/plate_1.gcode"
_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
 <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
 <Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>
 <Default Extension="gcode" ContentType="text/x.gcode"/>
</Types>
"""
_RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Target="/3D/3dmodel.model" Id="rel-1"
  Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>
</Relationships>
"""
_MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">
 <resources/>
 <build/>
</model>
"""
_INFO = """<?xml version="1.0" encoding="UTF-8"?>
<config>
  <plate>
    <metadata key="index" value="1"/>
    <metadata key="prediction" value="{seconds}"/>
  </plate>
</config>
"""
_ESTIMATE = re.compile(rb"^; estimated printing time \(normal mode\) = (?:(\d+)m )?(\d+)s$", re.MULTILINE)


def write(path: Path, gcode: bytes) -> None:
    """The archive of one plate."""
    found = _ESTIMATE.search(gcode)
    seconds = 60 * int(found[1] or 0) + int(found[2]) if found else 0
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELATIONS,
        "3D/3dmodel.model": _MODEL,
        PLATE: gcode,
        f"{PLATE}.md5": hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper(),
        "Metadata/slice_info.config": _INFO.format(seconds=seconds),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
