"""MLflow's and MLServer's prediction servers, each in an environment of its own that is built from pinned requirements.

Environments are made once in a cache folder, by the digest of their requirements (`requirements/mlflow.txt` and
`mlserver.txt`). A peer that cannot be installed is left out, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import serving_world as world

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
CACHE = Path.home() / ".cache" / "leeway-benchmarks"
NAMES = ("mlflow", "mlserver")
_SAVE = """
import sys, joblib, mlflow.sklearn
for path in sys.argv[1:]:
    mlflow.sklearn.save_model(joblib.load(path), path.removesuffix(".joblib"), pyfunc_predict_fn="predict_proba",
                              serialization_format="pickle", pip_requirements=[])
"""


class NotInstalled(Exception):
    """A peer cannot be installed here."""


@dataclass(frozen=True)
class Peer:
    """A peer in its environment."""

    name: str
    environment: Path

    def prepare(self, folder: Path) -> None:
        """Write all models in the peer's form into a folder."""
        stored = [folder / f"{model}.joblib" for model in world.MODELS]
        for model, path in zip(world.MODELS, stored, strict=True):
            path.write_bytes(pickle.dumps(world.fitted(model)))
        if self.name == "mlflow":
            _run([self._bin("python"), "-c", _SAVE, *map(str, stored)])
            return
        for model, path in zip(world.MODELS, stored, strict=True):
            own = {"name": model, "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": str(path)}}
            (folder / model).mkdir()
            (folder / model / "model-settings.json").write_text(json.dumps(own))

    def command(self, model: str, folder: Path, port: int) -> list[str]:
        """Return the command that serves a model of a prepared folder; MLServer serves all of them.

        MLflow's server has one process. MLServer is run without its pool of worker processes, which costs a message
        between processes for each request, and without its debugging output.
        """
        if self.name == "mlflow":
            saved = str(folder / model)
            return [self._bin("mlflow"), "models", "serve", "-m", saved, "--env-manager", "local", "-p", str(port)]
        settings = {"debug": False, "parallel_workers": 0, "http_port": port, "grpc_port": port + 1,
                    "metrics_port": port + 2}  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings))
        return [self._bin("mlserver"), "start", str(folder)]

    def path(self, model: str) -> str:
        """Return the path that answers requests."""
        return "/invocations" if self.name == "mlflow" else f"/v2/models/{model}/infer"

    def body(self, values: list[float]) -> dict[str, object]:
        """Return a request of one row."""
        if self.name == "mlflow":
            return {"dataframe_split": {"columns": world.FEATURES, "data": [values]}}
        rows = {"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": values}
        return {"inputs": [rows], "outputs": [{"name": "predict_proba"}]}

    def _bin(self, name: str) -> str:
        return str(self.environment / "bin" / name)


def installed(name: str, cache: Path = CACHE) -> Peer:
    """Return a peer in its environment, which is built where it is not there yet.

    Raises
    ------
    NotInstalled
        A package cannot be had here, or does not install.
    """
    pinned = REQUIREMENTS / f"{name}.txt"
    environment = cache / f"{name}-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]}"
    if not (environment / ".ready").exists():
        shutil.rmtree(environment, ignore_errors=True)
        uv = Path(sys.executable).with_name("uv")
        _run([str(uv), "venv", "--quiet", "--python", sys.executable, str(environment)])
        _run([str(uv), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"),
              "--require-hashes", "-r", str(pinned)])  # fmt: skip
        (environment / ".ready").touch()
    return Peer(name, environment)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        raise NotInstalled(msg)
