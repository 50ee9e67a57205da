"""ResNet-18, VGG-11 with BatchNorm and MobileNetV2 in PyTorch, with the names of torchvision.

Sources: He et al. (2016); Simonyan & Zisserman (2015); Sandler et al. (2018).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def conv_bn(i: int, o: int, k: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(o)]


class BasicBlock(nn.Module):
    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(i, o, stride=stride)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv_bn(o, o)
        self.downsample = None
        if stride > 1 or i != o:
            self.downsample = nn.Sequential(*conv_bn(i, o, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, 7, 2)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths, before = (64, 128, 256, 512), 64
        for k, width in enumerate(widths, 1):
            stride = 1 if k == 1 else 2
            blocks = BasicBlock(before, width, stride), BasicBlock(width, width, 1)
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
            before = width
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # type: ignore[operator]
        found: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return found


class VGG11(nn.Module):
    """With BatchNorm; sides: the pooled image, 7 in torchvision, hidden: 4096 there"""

    def __init__(self, classes: int = 1000, sides: int = 7, hidden: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
            if not width:
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [
                nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(True),
            ]  # fmt: skip
            before = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((sides, sides))
        self.classifier = nn.Sequential(
            nn.Linear(512 * sides**2, hidden), nn.ReLU(True), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(), nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return found


class InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = i * expand
        layers: list[nn.Module] = []
        if expand > 1:
            layers.append(nn.Sequential(*conv_bn(i, hidden, 1), nn.ReLU6(inplace=True)))
        wide = conv_bn(hidden, hidden, stride=stride, groups=hidden)
        layers += [nn.Sequential(*wide, nn.ReLU6(inplace=True)), *conv_bn(hidden, o, 1)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        rows = (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1),
        )  # fmt: skip
        layers: list[nn.Module] = [nn.Sequential(*conv_bn(3, 32, 3, 2), nn.ReLU6(inplace=True))]
        before = 32
        for expand, width, times, stride in rows:
            for k in range(times):
                layers.append(InvertedResidual(before, width, stride if k == 0 else 1, expand))
                before = width
        layers.append(nn.Sequential(*conv_bn(320, 1280, 1), nn.ReLU6(inplace=True)))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        found: Tensor = self.classifier(torch.flatten(x, 1))
        return found


NETS: dict[str, Callable[..., nn.Module]] = {
    "ResNet-18": ResNet18, "VGG-11 with BatchNorm": VGG11, "MobileNetV2": MobileNetV2,
}  # fmt: skip


def random_net(name: str, seed: int = 0) -> nn.Module:
    """A net with random weights and random statistics of BatchNorm, in evaluation mode"""
    torch.manual_seed(seed)
    net = NETS[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return net.eval()


def export(net: nn.Module, path: str, side: int, folded: bool) -> None:
    """By torch, for any number of samples; folded: BatchNorm in the convolution before it"""
    import warnings

    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(1, 3, side, side),), path, dynamo=False, opset_version=17,
            input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
            training=mode, do_constant_folding=folded,
        )  # fmt: skip
