"""The schema on which the registry's tests use PostgreSQL is that of a release to come."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from registry.connection import Registry
from registry.database import migrate
from tests.support import later_schema
from tests.unit.registry.conftest import LATER

pytestmark = pytest.mark.slow
REGISTRIES = [LATER]


def test_each_table_has_been_added_to(reg: Registry) -> None:
    """Or those tests would not show that this release works beside the next."""
    with reg.read() as c:
        tables = {
            t: {column["name"] for column in sa.inspect(c).get_columns(t)} for t in sa.inspect(c).get_table_names()
        }
        assert later_schema.REVISION == migrate.current_of(c)
    assert {"more", migrate.VERSION_TABLE} == {name for name, columns in tables.items() if "more" not in columns}
