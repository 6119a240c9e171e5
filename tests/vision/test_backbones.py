"""Residual networks and VGG-16: torchvision's names, its shapes, and the arithmetic of a block by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geonav.errors import UsageError
from geonav.vision.backbones.choose import checked_backbone, numbered_backbone
from geonav.vision.backbones.resnet import BasicBlock, Bottleneck, channels_of, resnet
from geonav.vision.backbones.vgg import vgg16

# Learned numbers without the classifier: torchvision's published totals less 1000 x (channels + 1).
PARAMETERS = {"resnet18": 11_176_512, "resnet50": 23_508_032, "resnet101": 42_500_160, "resnet152": 58_143_808}


@pytest.mark.parametrize("name", PARAMETERS)
def test_as_many_parameters_as_published(name: str) -> None:
    with torch.device("meta"):
        network = resnet(name)
    assert sum(item.numel() for item in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "end"), [("resnet18", "conv4"), ("resnet50", "conv5"), ("resnet101", "conv4")])
def test_each_stage_halves_the_map(name: str, end: str) -> None:
    network = resnet(name, width=4, end=end).eval()
    with torch.inference_mode():
        found = network(torch.rand(2, 3, 64, 96))
    times = 16 if end == "conv4" else 32
    assert found.shape == (2, channels_of(name, width=4, end=end), 64 // times, 96 // times)


def test_names_are_torchvisions() -> None:
    keys = set(resnet("resnet50", width=4).state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.1.bias", "layer3.5.conv3.weight"} <= keys
    assert "layer1.1.downsample.0.weight" not in keys
    # the first basic block of layer1 changes nothing in shape, so it has no shortcut of its own
    assert "layer1.0.downsample.0.weight" not in resnet("resnet18", width=4).state_dict()


def normalisations(block: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]


def test_a_basic_block_by_hand() -> None:
    block = BasicBlock(1, 1, 1).eval()
    with torch.no_grad():
        for convolution in (block.conv1, block.conv2):
            convolution.weight.zero_()
            convolution.weight[0, 0, 1, 1] = 3.0
        # eval mode: (x - mean) / sqrt(var + eps) * weight + bias with the stored numbers
        block.bn1.running_mean.fill_(2.0)
        block.bn1.running_var.fill_(4.0)
        block.bn2.bias.fill_(-100.0)
        # x = 4: conv 12, normalised 5, relu 5, conv 15, normalised 15 - 100, plus 4, relu 0
        assert block(torch.full((1, 1, 3, 3), 4.0)).abs().max() == 0
        block.bn2.bias.fill_(1.0)
        torch.testing.assert_close(
            block(torch.full((1, 1, 3, 3), 4.0))[0, 0, 1, 1].item(), 15 + 1 + 4.0, atol=1e-3, rtol=0
        )


def test_a_bottleneck_strides_in_its_middle() -> None:
    block = Bottleneck(4, 2, 2)
    assert [block.conv1.stride, block.conv2.stride, block.conv3.stride] == [(1, 1), (2, 2), (1, 1)]
    assert len(normalisations(block)) == 4
    # without its inner path the block is relu(shortcut)
    block.eval()
    with torch.no_grad():
        block.bn3.weight.zero_()
        block.bn3.bias.zero_()
        x = torch.rand(1, 4, 6, 6)
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))


def test_vgg_is_numbered_as_torchvision_numbers_it() -> None:
    network = vgg16(width=4)
    assert [i for i, layer in enumerate(network) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 16, 23, 30]
    with torch.device("meta"):
        assert sum(item.numel() for item in vgg16().parameters()) == 14_714_688
    with torch.inference_mode():
        found = vgg16(width=4, num_layers=29)(torch.randn(1, 3, 64, 64))
    assert found.shape == (1, 32, 4, 4)
    assert found.min() < 0, "place recognition stops before the last ReLU"


def test_unknown_names_are_refused_with_the_nearest() -> None:
    assert checked_backbone("ResNet50", with_end=False) == "resnet50"
    with pytest.raises(UsageError, match=r"did you mean 'resnet18conv[45]'"):
        checked_backbone("resnet18conv3", with_end=True)
    with pytest.raises(UsageError, match="choose"):
        numbered_backbone("alexnet")
