"""Pictures and what Pillow, torchvision and transformers make of them, for the tests of src/embed/hub/preprocess.rs."""
import numpy as np
import transformers
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

rng = np.random.default_rng(0)
for name, width, height in [("wide", 150, 83), ("tall", 61, 97), ("small", 23, 19)]:
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 7 + c) * np.cos(y / (5 + c)) for c in range(3)], -1)
    noise = rng.integers(-60, 61, (height, width, 3))
    Image.fromarray(np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8)).save(f"{name}.png")

modes = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
for name, mode, size in [
    ("wide", "bicubic", 37), ("wide", "bilinear", 40), ("wide", "bicubic", "exact"),
    ("tall", "bicubic", 37), ("tall", "bilinear", 32), ("small", "bicubic", 40),
]:
    resize = Resize([32, 32] if size == "exact" else size, interpolation=modes[mode])
    CenterCrop(32)(resize(Image.open(f"{name}.png"))).save(f"{name}-{mode}-{size}.png")

for name in ["wide", "tall"]:
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 37}, crop_size={"height": 32, "width": 32}, do_rescale=False, do_normalize=False
    )
    pixels = processor(Image.open(f"{name}.png"), return_tensors="np")["pixel_values"][0]
    Image.fromarray(np.moveaxis(pixels, 0, -1).astype(np.uint8)).save(f"{name}-bicubic-37-before.png")
