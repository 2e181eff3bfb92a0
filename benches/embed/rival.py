"""PyTorch and ONNX Runtime beside `cargo bench --bench embed`: the same networks, weights and batch, f32.

    pip install torch==2.15 torchvision timm transformers safetensors onnx onnxruntime onnxscript
    python benches/embed/rival.py save DIR                 # random weights; then the bench with ALIKE_BENCH_WEIGHTS=DIR
    python benches/embed/rival.py prepare PHOTOS           # Pillow with and without draft mode, milliseconds an image
    python benches/embed/rival.py run DIR [THREADS]        # medians, milliseconds a batch

PyTorch runs channels last and as it comes, and the better of the two is told; ONNX Runtime runs its own export.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parents[2] / place) for place in ("tests/data", "benches")]
import fidelity  # noqa: E402
from timing import median  # noqa: E402

NAMES = ["resnet18", "resnet50", "dinov2-small", "clip-b32"]
BATCH = 8


class Features(torch.nn.Module):
    def __init__(self, model, features):
        super().__init__()
        self.model, self.features = model, features

    def forward(self, images):
        return self.features(self.model, images)


@torch.inference_mode()
def run(directory, threads):
    import onnxruntime
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    images = torch.randn(BATCH, 3, 224, 224)
    for name, model, features, _ in fidelity.models():
        if name not in NAMES:
            continue
        model.load_state_dict(load_file(directory / f"{name}.safetensors"), strict=False)
        network = Features(model, features).eval()
        times = {"PyTorch": min(
            median(lambda: network.to(memory_format=layout)(images.to(memory_format=layout)))
            for layout in (torch.contiguous_format, torch.channels_last))}
        network.to(memory_format=torch.contiguous_format)
        file = directory / f"{name}.onnx"
        torch.onnx.export(network, (images,), file, input_names=["images"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        inputs = {"images": images.numpy()}
        times["ONNX Runtime"] = median(lambda: session.run(None, inputs))
        apart = np.abs(session.run(None, inputs)[0] - network(images).numpy()).max()
        print(name, {tool: round(ms, 1) for tool, ms in times.items()}, f"apart by {apart:.1e}", flush=True)


def prepare(folder):
    from PIL import Image

    paths = sorted(folder.iterdir())
    for draft in (True, False):
        def work():
            for path in paths:
                picture = Image.open(path)
                if draft:
                    picture.draft("RGB", (512, 512))
                picture = picture.convert("RGB")
                scale = 256 / min(picture.size)
                picture = picture.resize([round(side * scale) for side in picture.size], Image.BICUBIC)
                left, top = ((side - 224) // 2 for side in picture.size)
                picture.crop((left, top, left + 224, top + 224))
        print("draft" if draft else "whole", f"{median(work) / len(paths):.2f} ms an image", flush=True)


if __name__ == "__main__":
    command, directory, *rest = sys.argv[1:]
    if command == "save":
        fidelity.write(Path(directory), [], NAMES)
    elif command == "run":
        run(Path(directory), int(rest[0]) if rest else 2)
    elif command == "prepare":
        prepare(Path(directory))
    else:
        sys.exit(__doc__)
