"""Writes what examples/fidelity.rs compares with: every published network in full size, with random weights, and what
the reference makes of ten random images and of a folder of photos.

    python tests/data/fidelity.py DIR [PHOTOS [NAME...]]

NAME.safetensors is a checkpoint as networks.py makes them; NAME.expected.safetensors holds `images` and `features`,
then `photos.pixels` (as the model's own image processor leaves them) and `photos.features`; all channels last. About 5 GB
and ten minutes on two cores; the photos take as long again.
"""

import contextlib
import io
import sys
from pathlib import Path

import timm
import torch
import transformers
from PIL import Image, ImageCms, ImageOps
from safetensors.torch import save_file

from networks import clip, convolutional, dinov2, plain, randomise, save, siglip, text_tower

DINOV2 = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
CLIP = {"b32": (768, 12, 12, 32, 512), "b16": (768, 12, 12, 16, 512), "l14": (1024, 24, 16, 14, 768)}
TIMM = {
    "resnet18": "resnet18.a1_in1k", "resnet50": "resnet50.a1_in1k", "resnet152": "resnet152.a1_in1k",
    "vgg16": "vgg16.tv_in1k", "vgg16-flat": "vgg16.tv_in1k", "convnext-tiny": "convnext_tiny.in12k_ft_in1k",
    "efficientnet-b0": "efficientnet_b0.ra_in1k", "mobilenetv4-small": "mobilenetv4_conv_small.e2400_r224_in1k",
}


def models():
    """Name in models/hub.toml, the model, its features, from a picture to its pixels."""
    imagenet = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    bit = transformers.BitImageProcessor(
        size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}, resample=3, **imagenet)
    for size, (width, depth, heads) in DINOV2.items():
        shape = dict(hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads, image_size=518,
                     patch_size=14)
        yield (f"dinov2-{size}", transformers.Dinov2Model(transformers.Dinov2Config(**shape)),
               lambda *a: dinov2(*a)["class"], bit)
        yield (f"dinov2-reg-{size}", transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(num_register_tokens=4, **shape)), lambda *a: dinov2(*a)["class"], bit)
    for size, (width, depth, heads, patch, projection) in CLIP.items():
        tower = dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=depth,
                     num_attention_heads=heads, patch_size=patch, image_size=224)
        yield (f"clip-{size}", transformers.CLIPModel(transformers.CLIPConfig(
            vision_config=tower, text_config=text_tower(), projection_dim=projection)),
            lambda *a: clip(*a)["class"], transformers.CLIPImageProcessor())
    yield ("siglip-base", transformers.SiglipModel(transformers.SiglipConfig(text_config=text_tower())),
           lambda *a: siglip(*a)["pooled"], transformers.SiglipImageProcessor(size={"height": 224, "width": 224}))
    for name, theirs in TIMM.items():
        model = timm.create_model(theirs)
        if name.startswith("vgg"):
            kind = "flattened" if name.endswith("flat") else "pooled"
            features = lambda *a, kind=kind: convolutional(*a)[kind]
        else:
            features = lambda *a: plain(*a)["pooled"]
        yield name, model, features, timm.data.create_transform(**timm.data.resolve_model_data_config(model))


def pixels(processor, path):
    """The picture in sRGB, upright, as alike sees it; the rest is the model's processor."""
    picture = ImageOps.exif_transpose(Image.open(path))
    profile, picture = picture.info.get("icc_profile"), picture.convert("RGB")
    if profile:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        with contextlib.suppress(ImageCms.PyCMSError):  # a profile of another colour space
            picture = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"))
    if isinstance(processor, transformers.BaseImageProcessor):
        return processor(images=picture, return_tensors="pt")["pixel_values"][0]
    return processor(picture)


@torch.no_grad()
def write(directory, photos, names):
    directory.mkdir(parents=True, exist_ok=True)
    images = torch.empty(10, 3, 224, 224).normal_(generator=torch.Generator().manual_seed(0))
    for seed, (name, model, features, processor) in enumerate(models()):
        if names and name not in names:
            continue
        save(randomise(model, (224, 224), seed), directory / f"{name}.safetensors")
        expected = {"images": images.permute(0, 2, 3, 1), "features": features(model, images)}
        if photos:
            prepared = torch.stack([pixels(processor, path) for path in photos])
            expected["photos.pixels"] = prepared.permute(0, 2, 3, 1)
            expected["photos.features"] = torch.cat([features(model, batch) for batch in prepared.split(10)])
        expected = {key: tensor.contiguous() for key, tensor in expected.items()}
        save_file(expected, directory / f"{name}.expected.safetensors")
        print(name, tuple(expected["features"].shape), flush=True)


if __name__ == "__main__":
    folder = sys.argv[2:3]
    write(Path(sys.argv[1]), sorted(Path(folder[0]).iterdir()) if folder else [], sys.argv[3:])
