"""A Kafka topic as a source of records: its name, its brokers, and what its records are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features import kafka_address

RecordFormat = Literal["json", "avro", "arrow"]
"""Content of a Kafka record: one JSON event, one plain Avro event, or a columnar Arrow IPC stream of many events."""


class TopicSettings(BaseModel):
    """The keys of a source that say which topic it is, for sources that may be one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str | None = Field(None, description="a Kafka topic", pattern=r"^[A-Za-z0-9._-]+$", max_length=249)
    format: RecordFormat = Field("json", description="what a record of the topic is")
    avro_schema: str | None = Field(
        None, description="file of the Avro schema that records are written with; absent: the one that features give"
    )
    schema_registry: str | None = Field(
        None,
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|https?://\S+)$",
        description="URL of the registry whose schemas the records name, or env:NAME of the variable that holds it",
    )
    bootstrap: str = Field("", exclude=True, description="the brokers of this topic, where not those of `kafka`")

    @field_validator("bootstrap")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return kafka_address.checked(value) if value else value

    @model_validator(mode="after")
    def _of_a_topic(self) -> TopicSettings:
        """Refuse settings of a topic without one, and those of Avro with another format."""
        of_topics = {"format", "avro_schema", "schema_registry", "bootstrap"}
        if not self.topic and (odd := of_topics & self.model_fields_set):
            msg = f"`{min(odd)}` goes with `topic`; a file's format follows from its name"
            raise ValueError(msg)
        for key in ("avro_schema", "schema_registry"):
            if getattr(self, key) is not None and self.format != "avro":
                msg = f"`{key}` goes with `format: avro`"
                raise ValueError(msg)
        return self
