"""The places that a project file names: paths from its folder on, and addresses that stand in the environment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from features.errors import ProjectError
from features.facts.declaration import FactFeature, FactFeatures, FactSource
from features.schema import Source
from features.topic import TopicSettings
from features.transforms import declaration as transforms
from leeway.project import environment, landed
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
        """Return the features of a model that requests need not bring, and the tables and topics of their facts.

        All models that use the facts of a table or a topic share one directory.
        """
        features = {name: one for name, one in section.features.items() if isinstance(one, FactFeature)}
        used = {one.source for one in features.values()}
        declared = {name: source for name, source in self.file.facts.items() if name in used}
        lands = {name: found for name, source in declared.items() if (found := self._landed(name, source))}
        sources = {
            name: source.files(lands[name].folder if name in lands else self.folder / source.path)
            for name, source in declared.items()
        }
        made = {name: one for name, one in section.features.items() if isinstance(one, transforms.TransformFeature)}
        own = transforms.Transforms(features=made, kinds=section.kinds, folder=str(self.folder))
        made_of = FactFeatures(features=features, sources=sources, transforms=own if made else transforms.NO_TRANSFORMS)
        return made_of, tuple(lands.values())

    def _landed(self, name: str, source: FactSource) -> LandedSource | None:
        """Return the table or topic that facts are in; None where they are in a directory."""
        if source.topic is not None:
            own = {key: getattr(source, key) for key in source.model_fields_set & TopicSettings.model_fields.keys()}
            return landed.of_topic(name, source, self.absolute(Source(**own)), self.state)
        if source.table is None:
            return None
        of_all = [one for model in self.file.models.values() for one in model.features.values()]
        features = [one for one in of_all if isinstance(one, FactFeature)]
        return landed.of_facts(name, source, features, self.folder, self.state)
