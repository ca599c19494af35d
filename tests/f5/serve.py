"""The real F5-TTS server, f5-tts's own Gradio app, on the processor, without a network and with tiny random weights.

    .venv-f5/bin/python tests/f5/serve.py --port 7860 --models DIR

Its endpoints, checks, queue, chunks, caches and loading of checkpoints are F5-TTS's. Replaced are the size of its
model, its transcriber, and what needs CUDA before anything is asked of it. It speaks noise, as long as F5-TTS makes it.
With VOICE_CHECKPOINT and VOICE_VOCABULARY it is started by the image's serve_checkpoint.py, and both are written there;
F5-TTS's own checkpoint is then nowhere.
"""

import argparse
import json
import os
import runpy
import sys
import types
from pathlib import Path
from typing import Any

SERVE_CHECKPOINT = Path(__file__).resolve().parents[2] / "gpu_runner" / "voice_image" / "serve_checkpoint.py"
TRANSCRIPT = "these are the words that the server heard"

# The real ones are (1024, 22, 16, 2, 512, 4): F5-TTS's DEFAULT_TTS_MODEL_CFG.
TINY_MODEL = {"dim": 64, "depth": 1, "heads": 1, "dim_head": 64, "ff_mult": 1, "text_dim": 32, "conv_layers": 1}
TINY_VOCODER = {
    "feature_extractor": {
        "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
        "init_args": {"sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "n_mels": 100, "padding": "center"},
    },
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {"input_channels": 100, "dim": 32, "intermediate_dim": 64, "num_layers": 1},
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": 32, "n_fft": 1024, "hop_length": 256, "padding": "center"},
    },
}


def do_without_cuda() -> None:
    """torchaudio is imported without its compiled part, and reads files with soundfile instead of torchcodec.

    PyPI's builds of both need CUDA's libraries. The transforms that F5-TTS uses are torch's.
    """
    extension: Any = types.ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension.fail_if_no_align = lambda function: function
    sys.modules[extension.__name__] = extension

    import soundfile
    import torch
    import torchaudio

    def load(path: str) -> tuple[Any, int]:
        samples, sample_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), sample_rate_hz

    torchaudio.load = load


def write_voice(hub: Path) -> None:
    """The hub's folder holds a checkpoint under the name by which F5-TTS asks for its own."""
    from f5_tts.infer import utils_infer
    from safetensors.torch import save_file

    weights = _weights(Path(utils_infer.__file__).parent / "examples" / "vocab.txt")
    save_file(weights, _cached(hub, "SWivid/F5-TTS", "F5TTS_v1_Base/model_1250000.safetensors"))


def write_other_voice(checkpoint: Path, vocabulary: Path) -> None:
    """A checkpoint of the other kind, and a vocabulary of its own, are at these paths."""
    import torch
    from f5_tts.infer import utils_infer

    own = (Path(utils_infer.__file__).parent / "examples" / "vocab.txt").read_text(encoding="utf-8")
    vocabulary.parent.mkdir(parents=True, exist_ok=True)
    vocabulary.write_text("".join(own.splitlines(keepends=True)[:300]), encoding="utf-8")
    torch.save({"ema_model_state_dict": _weights(vocabulary)}, checkpoint)


def _weights(vocabulary: Path) -> dict[str, Any]:
    import torch
    from f5_tts.model import CFM, DiT
    from f5_tts.model.utils import get_tokenizer

    torch.manual_seed(0)
    characters, size = get_tokenizer(str(vocabulary), "custom")
    model = CFM(DiT(**TINY_MODEL, text_num_embeds=size, mel_dim=100), vocab_char_map=characters)
    for parameter in model.parameters():
        # Layers that training starts at nought would leave the noise as it came.
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return {f"ema_model.{name}": value for name, value in model.state_dict().items()}


def write_vocoder(hub: Path) -> None:
    import torch
    from vocos import Vocos

    config = _cached(hub, "charactr/vocos-mel-24khz", "config.yaml")
    config.write_text(json.dumps(TINY_VOCODER))  # JSON is YAML
    torch.save(Vocos.from_hparams(str(config)).state_dict(), config.with_name("pytorch_model.bin"))


def _cached(hub: Path, repository: str, file: str) -> Path:
    """Where Hugging Face's client looks for the file when it is offline; its folder exists."""
    revision = "0" * 40
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    path = folder / "snapshots" / revision / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def shrink() -> None:
    """F5-TTS loads checkpoints of the tiny model, and hears always the same words."""
    from f5_tts.infer import utils_infer

    load_model = utils_infer.load_model

    def load_tiny_model(model: Any, _settings: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        return load_model(model, TINY_MODEL, *arguments, **options)

    utils_infer.load_model = load_tiny_model
    utils_infer.transcribe = lambda _recording, _language=None: TRANSCRIPT


def allow_a_slow_start() -> None:
    """Gradio does not end when its own page takes it more than 3 s, as it does while other tests run beside."""
    from gradio import networking

    networking.url_ok = lambda url: True  # noqa: ARG005 - its name there


def main() -> None:
    parser = argparse.ArgumentParser(description="the real F5-TTS server with tiny random weights")
    parser.add_argument("--port", required=True)
    parser.add_argument("--models", type=Path, required=True, help="a folder for the weights")
    arguments = parser.parse_args()
    # Read by the libraries when they are imported.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(arguments.models), "GRADIO_ANALYTICS_ENABLED": "False"}
    hub = arguments.models / "hub"
    do_without_cuda()
    write_vocoder(hub)
    shrink()
    allow_a_slow_start()
    sys.argv = ["f5-tts_infer-gradio", "--host", "127.0.0.1", "--port", arguments.port]
    checkpoint = os.environ.get("VOICE_CHECKPOINT")
    if checkpoint:
        write_other_voice(Path(checkpoint), Path(os.environ["VOICE_VOCABULARY"]))
        runpy.run_path(str(SERVE_CHECKPOINT), run_name="__main__")
    else:
        write_voice(hub)
        runpy.run_module("f5_tts.infer.infer_gradio", run_name="__main__")


if __name__ == "__main__":
    main()
