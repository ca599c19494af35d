"""F5-TTS's Gradio server with the checkpoint VOICE_CHECKPOINT and its VOICE_VOCABULARY in place of F5-TTS's own.

    python serve_checkpoint.py --host 127.0.0.1 --port 7860

F5-TTS 1.1.22 loads its own weights when infer_gradio is imported, and other ones only beside them, on a request
(/set_custom_model). An image for a paid product must not hold the former at all, so the two names through which
infer_gradio reaches its weights mean others before it is imported. The checkpoint's architecture must be
F5TTS_v1_Base's. Runs in the image's voice environment; the default checkpoint is served without this file.
"""

import os

import cached_path
from f5_tts.infer import utils_infer


def choose(checkpoint: str, vocabulary: str) -> None:
    """Whatever F5-TTS loads is this checkpoint, and nothing is looked for at the hub's."""
    load_model = utils_infer.load_model

    def load_chosen(model_class: type, architecture: dict[str, object], _address: str, **options: object) -> object:
        return load_model(model_class, architecture, checkpoint, **(options | {"vocab_file": vocabulary}))

    utils_infer.load_model = load_chosen
    cached_path.cached_path = lambda address: address


if __name__ == "__main__":
    choose(os.environ["VOICE_CHECKPOINT"], os.environ["VOICE_VOCABULARY"])
    from f5_tts.infer.infer_gradio import main

    main()
