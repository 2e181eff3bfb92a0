"""Writes tests/data/networks/: small networks of random weights with the keys of the real checkpoints, and the features
that the reference implementations give.

    python tests/data/networks.py

NAME.safetensors is what `save_pretrained` (transformers) or a state dict (timm) holds, classifier and text tower
included; expected.safetensors holds the images, normalised and channels last, and per network and image the features.
Weights, batch norms' statistics and layer scales are drawn so that each of them matters; the statistics come from a
pass over random images first, so that nothing over- or underflows. One seed a network. The program's own encoder has its
own weights.

Made with Python 3.11, torch 2.15.0, timm 1.0.31, transformers 5.24.0, safetensors 0.8.0.
"""

import importlib.util
import math
from pathlib import Path

import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from timm.layers import BatchNormAct2d
from timm.models import efficientnet, mobilenetv3, resnet, vgg


@torch.no_grad()
def randomise(model, size, seed):
    """Draws every parameter anew; `model` takes images of `size`."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, std):
        tensor.copy_(torch.empty(tensor.shape).normal_(0, std, generator=generator))

    def uniform(tensor, low, high):
        tensor.copy_(torch.empty(tensor.shape).uniform_(low, high, generator=generator))

    norms = (torch.nn.BatchNorm2d, torch.nn.LayerNorm)
    scales = [m.weight for m in model.modules() if isinstance(m, norms)]
    for name, parameter in model.named_parameters():
        if any(parameter is scale for scale in scales):
            uniform(parameter, 0.6, 1.4)
        elif "gamma" in name or "lambda1" in name:
            uniform(parameter, 0.2, 0.6)
        elif "embeddings." in name:
            # Faint, so that the first norm's epsilon shows.
            normal(parameter, 0.05 if parameter.ndim < 4 else 0.1 / math.prod(parameter.shape[1:]) ** 0.5)
        elif parameter.ndim <= 1 or "probe" in name:
            normal(parameter, 0.1 if parameter.ndim <= 1 else 0.5)
        else:
            normal(parameter, (2 if parameter.ndim == 4 else 1.2) ** 0.5 / math.prod(parameter.shape[1:]) ** 0.5)
    batch_norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if batch_norms:
        for norm in batch_norms:
            norm.reset_running_stats()
            norm.momentum = None
        model.train()(torch.empty(8, 3, *size).normal_(generator=generator))
        for norm in batch_norms:
            norm.running_mean.add_(torch.empty(norm.running_mean.shape).normal_(0, 0.2, generator=generator))
            norm.running_var.mul_(torch.empty(norm.running_var.shape).uniform_(0.7, 1.4, generator=generator))
    return model.eval()


def text_tower(max_positions=77):
    return dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=4,
                bos_token_id=0, eos_token_id=1, pad_token_id=1, max_position_embeddings=max_positions)


def small():
    """Name: model, features by name, whether it takes images that are not square."""
    tiny = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3)
    grid = dict(image_size=70, patch_size=14)
    tower = dict(image_size=84, patch_size=12, intermediate_size=40, **tiny)
    return {
        "dinov2": (transformers.Dinov2Model(transformers.Dinov2Config(**tiny, **grid)), dinov2, True),
        "dinov2-registers": (
            transformers.Dinov2WithRegistersModel(
                transformers.Dinov2WithRegistersConfig(num_register_tokens=3, **tiny, **grid)), dinov2, True),
        "clip": (transformers.CLIPModel(transformers.CLIPConfig(
            vision_config=tower, text_config=text_tower(4), projection_dim=16)), clip, False),
        "siglip": (transformers.SiglipModel(transformers.SiglipConfig(
            vision_config=tower, text_config=text_tower(4))), siglip, False),
        "resnet-basic": (resnet.ResNet(resnet.BasicBlock, (2, 1, 1, 2), 10, channels=(8, 12, 16, 20)), plain, True),
        "resnet-bottleneck": (
            resnet.ResNet(resnet.Bottleneck, (2, 1, 2, 1), 10, channels=(4, 6, 8, 10)), plain, True),
        "vgg": (vgg.VGG([8, "M", 12, 12, "M", 16, "M", 20, "M", 24, "M"], 2, mlp_ratio=0.001), convolutional, True),
        "convnext": (
            timm.create_model("convnext_tiny", depths=(1, 1, 2, 1), dims=(8, 12, 16, 24), num_classes=10), plain, True),
        "efficientnet": (efficientnet._gen_efficientnet("efficientnet_b0", 0.125, 0.4, num_classes=10), plain, True),
        "mobilenetv4": (mobilenet(), plain, True),
    }


def mobilenet():
    """The head has a fixed width, which would be most of a small network."""
    model = mobilenetv3._gen_mobilenet_v4("mobilenetv4_conv_small", 0.1, num_classes=10)
    model.conv_head = torch.nn.Conv2d(model.conv_head.in_channels, 40, 1, bias=False)
    model.norm_head = BatchNormAct2d(40)
    model.classifier = torch.nn.Linear(40, 10)
    return model


def dinov2(model, images):
    tokens = model(images).last_hidden_state
    patches = tokens[:, 1 + getattr(model.config, "num_register_tokens", 0):]
    return {"class": tokens[:, 0], "class-and-patches": torch.cat([tokens[:, 0], patches.mean(1)], 1)}


def clip(model, images):
    return {"class": model.visual_projection(model.vision_model(pixel_values=images).pooler_output)}


def siglip(model, images):
    return {"pooled": model.vision_model(images).pooler_output}


def plain(model, images):
    return {"pooled": model.forward_head(model.forward_features(images), pre_logits=True)}


def convolutional(model, images):
    """VGG16 without its dense layers, as Keras' `include_top=False`: flattened rows, columns, channels."""
    maps = model.forward_features(images)
    return {"pooled": maps.mean((2, 3)), "flattened": maps.permute(0, 2, 3, 1).flatten(1)}


def builtin():
    """The encoder of the program as it was trained, with the weights that the program has: norms that do nothing."""
    models = Path(__file__).parents[2] / "models"
    spec = importlib.util.spec_from_file_location("train", models / "train" / "builtin.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    weights, encoder = load_file(models / "builtin.safetensors"), train.Encoder()
    for name, unit in encoder.named_modules():
        if isinstance(unit, train.Unit):
            unit.conv.weight.copy_(weights.pop(f"{name}.weight"))
            unit.norm.bias.copy_(weights.pop(f"{name}.bias"))
            unit.norm.running_var.fill_(1 - unit.norm.eps)
    project = weights.pop("project.weight").float(), weights.pop("project.bias").float()
    assert not weights
    encoder.eval()
    return lambda images: torch.nn.functional.normalize(
        torch.nn.functional.linear(train.rooted(encoder(images)), *project), dim=1)


def save(model, path):
    folder = path.with_suffix("")
    if isinstance(model, transformers.PreTrainedModel):
        model.save_pretrained(folder)
        save_file(load_file(folder / "model.safetensors"), path)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    else:
        save_file(model.state_dict(), path)


@torch.no_grad()
def write(directory):
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    images = {"square": torch.empty(2, 84, 84, 3).normal_(generator=generator),
              "wide": torch.empty(1, 56, 98, 3).normal_(generator=generator)}
    expected = dict(images)
    for seed, (name, (model, features, any_shape)) in enumerate(small().items()):
        save(randomise(model, (84, 84), seed), directory / f"{name}.safetensors")
        for shape, batch in images.items():
            if shape == "square" or any_shape:
                for kind, rows in features(model, batch.permute(0, 3, 1, 2)).items():
                    expected[f"{name}.{shape}.{kind}"] = rows.contiguous()
    # Sides that can be halved.
    expected["builtin.square.unit"] = builtin()(images["square"][:, :80, :80].permute(0, 3, 1, 2))
    save_file(expected, directory / "expected.safetensors")


if __name__ == "__main__":
    write(Path(__file__).parent / "networks")
