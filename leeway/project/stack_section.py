"""The `stack` section of a project file: ports and sizes of the engines that `leeway up` starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leeway.project.section import Section

Port = Annotated[int, Field(ge=1, le=65535)]


class Ports(Section):
    """Ports of the engines and services of the stack, on loopback."""

    kafka: Port = Field(9092, description="the broker")
    kafka_controller: Port = Field(9093, description="the broker's own controller")
    flink: Port = Field(8081, description="Flink's REST address and pages")
    flink_rpc: Port = Field(6123, description="the JobManager, for its TaskManager")
    jobmanager_metrics: Port | None = Field(None, description="the JobManager's metrics, on every address, to anybody")
    taskmanager_metrics: Port | None = Field(None, description="the TaskManager's metrics, as above")
    postgres: Port = Field(15432, description="PostgreSQL")
    prefect: Port = Field(4200, description="Prefect's API and pages")
    dashboard: Port = Field(8321, description="Leeway's pages")
    serve: Port = Field(8322, description="`leeway serve`, where `stack.serve` asks for it")


class Stack(Section):
    """Settings of the local stack that `leeway up` starts."""

    ports: Ports = Field(Ports(), description="ports on loopback")
    slots: int | None = Field(
        None, ge=1, le=64, description="slots of the TaskManager; absent: the sum of its jobs' parallelism, 2 at least"
    )
    flows: bool = Field(
        True, description="whether `leeway flows serve` runs: no, where something else has models react"
    )
    serve: bool = Field(False, description="whether `leeway serve` runs, for all models")
