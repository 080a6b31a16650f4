"""A pipeline of Kedro, whose plugin kedro-mlflow records parameters, metrics, files and a model."""

from pathlib import Path

from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

project = Path(__file__).parent / "kedro_project"
bootstrap_project(project)
with KedroSession.create(project) as session:
    session.run()
