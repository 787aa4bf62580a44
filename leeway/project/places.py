"""The places that a project file names: paths from its folder on, and addresses that stand in the environment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from features.errors import ProjectError
from features.facts.declaration import FactFeature, FactFeatures, FactFiles, FactSource
from features.schema import Source
from features.topic import TopicSettings
from features.transforms import declaration as transforms
from leeway.project import environment, landed, landed_view
from leeway.project.file_schema import ModelSection, ProjectFile
from leeway.project.landed import LandedSource


@dataclass(frozen=True)
class Places:
    """The places that *file*, which is at *path*, names."""

    path: Path
    file: ProjectFile

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.path.parent

    @property
    def state(self) -> Path:
        """The state folder."""
        return (self.folder / self.file.state).resolve()

    def brokers(self, value: str) -> str:
        """Return the brokers that *value* stands for."""
        return self._address(value, "Kafka's address", "host:port")

    def _address(self, value: str, what: str, example: str) -> str:
        """Return the address *value* stands for; *value* itself where its variable is not set: an error once used."""
        with suppress(ProjectError):
            return environment.resolve(value, self.state, what=what, example=example)
        return value

    def absolute(self, source: Source) -> Source:
        """Return *source* with absolute paths, and with the addresses of its topic."""
        own = {key: str(self.folder / value) for key in ("path", "avro_schema") if (value := getattr(source, key))}
        if url := source.schema_registry:
            own["schema_registry"] = self._address(url, "the schema registry", "http://host:8081")
        if source.topic:
            own["bootstrap"] = self.brokers(source.bootstrap) or self.brokers(self.file.kafka.bootstrap)
        return source.model_copy(update=own)

    def labels_topic(self, model: str, predictions: Source) -> Source | None:
        """Return the topic of the labels of a table, where the model's predictions are in a topic; else None."""
        if predictions.topic is None:
            return None
        return Source(topic=f"leeway.{model}.labels", bootstrap=predictions.bootstrap)

    def facts(self, section: ModelSection) -> tuple[FactFeatures, tuple[LandedSource, ...]]:
        """Return the features of a model that requests need not bring, and the tables, topics and views of their facts.

        All models that use the facts of a table, a topic or a view share one directory.
        """
        features = {name: one for name, one in section.features.items() if isinstance(one, FactFeature)}
        used = {one.source for one in features.values()}
        declared = {name: source for name, source in self.file.facts.items() if name in used}
        read = used | {source.sql.source for source in declared.values() if source.sql}
        # What a view reads lands before the view.
        of_all = sorted(self.file.facts.items(), key=lambda item: item[1].sql is not None)
        lands = {name: found for name, source in of_all if name in read and (found := self._landed(name, source))}
        sources = {name: self._files(name) for name in declared}
        made = {name: one for name, one in section.features.items() if isinstance(one, transforms.TransformFeature)}
        own = transforms.Transforms(features=made, kinds=section.kinds, folder=str(self.folder))
        made_of = FactFeatures(features=features, sources=sources, transforms=own if made else transforms.NO_TRANSFORMS)
        return made_of, tuple(lands.values())

    def _landed(self, name: str, source: FactSource) -> LandedSource | None:
        """Return the table, topic or view that facts are in; None where they are in a directory."""
        if source.topic is not None:
            own = {key: getattr(source, key) for key in source.model_fields_set & TopicSettings.model_fields.keys()}
            return landed.of_topic(name, source, self.absolute(Source(**own)), self.state)
        if source.sql is not None:
            of = self._files(source.sql.source)
            place = self.file.facts[source.sql.source].path or Path(of.path).name
            return landed_view.of_view(name, source, of, place, self.state)
        if source.table is not None:
            return landed.of_facts(name, source, self._columns_read(name), self.folder, self.state)
        return None

    def _files(self, name: str) -> FactFiles:
        """Return the files in which facts are, or land."""
        source = self.file.facts[name]
        found = self._landed(name, source)
        return source.files(found.folder if found else self.folder / source.path)

    def _columns_read(self, name: str) -> set[str]:
        """Return the columns of facts that features of all models, and views, read."""
        columns = {column for other in self.file.facts.values() if other.sql and other.sql.source == name
                   for column in other.sql.columns}  # fmt: skip
        for model in self.file.models.values():
            for one in model.features.values():
                if isinstance(one, FactFeature) and one.source == name:
                    columns |= {one.column, *(column for _, column in one.key)}
        return columns
