"""Models with type hints; ``library`` is tracklet or MLflow."""

from typing import Any

from pydantic import BaseModel


class Message(BaseModel):
    role: str
    count: int = 3
    note: str | None = None


def models(library):
    """Name → model."""

    class Text(library.pyfunc.PythonModel):
        def predict(self, model_input: list[str], params=None) -> list[str]:
            return [text.upper() for text in model_input]

    class Chat(library.pyfunc.PythonModel):
        def predict(self, context, model_input: list[Message]) -> list[str]:
            return [f"{message.role} {message.count}" for message in model_input]

    class Maps(library.pyfunc.PythonModel):
        def predict(self, model_input: list[dict[str, str]]) -> list[dict[str, str]]:
            return model_input

    class Anything(library.pyfunc.PythonModel):
        def predict(self, model_input: list[Any]) -> int:
            return len(model_input)

    def function(model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]

    return {
        "text": Text(),
        "chat": Chat(),
        "maps": Maps(),
        "anything": Anything(),
        "function": function,
    }
