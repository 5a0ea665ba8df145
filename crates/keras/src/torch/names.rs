//! What torchvision and timm call the modules of networks, and what the zoo calls the layers.

/// A family of networks of the zoo whose modules have names alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Family {
    /// ResNets of two 3 x 3 convolutions; units of each stage.
    Basic([usize; 4]),
    /// ResNets of bottlenecks.
    Bottleneck,
    /// VGG; convolutions of each stage.
    Vgg([usize; 5]),
    /// Whether convolution, normalisation and activation are one module, as in torchvision since 0.3.
    MobileNetV2 {
        triples: bool,
    },
    DenseNet,
    EfficientNetLite0,
}

/// Inverted residual blocks of each stage.
const MOBILENET_V2: [usize; 7] = [1, 2, 3, 4, 3, 3, 1];
const EFFICIENTNET_LITE0: [usize; 7] = [1, 2, 2, 3, 3, 4, 1];

impl Family {
    /// Of a network of the zoo, by its name there, with the names of the tensors meant for it.
    pub(super) fn of<'a>(network: &str, mut tensors: impl Iterator<Item = &'a str>) -> Option<Family> {
        Some(match network {
            "ResNet18" => Family::Basic([2, 2, 2, 2]),
            "ResNet34" => Family::Basic([3, 4, 6, 3]),
            "ResNet50" | "ResNet101" | "ResNet152" => Family::Bottleneck,
            "VGG16" => Family::Vgg([2, 2, 3, 3, 3]),
            "VGG19" => Family::Vgg([2, 2, 4, 4, 4]),
            "MobileNetV2" => Family::MobileNetV2 { triples: tensors.any(|name| name == "features.1.conv.0.0.weight") },
            "DenseNet121" | "DenseNet169" | "DenseNet201" => Family::DenseNet,
            "EfficientNetLite0" => Family::EfficientNetLite0,
            _ => return None,
        })
    }

    /// The layer that classifies.
    pub(super) fn classifier(self) -> &'static str {
        if let Family::Basic(_) = self { "out" } else { "predictions" }
    }

    /// The zoo's layer for a module.
    pub(super) fn layer(self, module: &str) -> Option<String> {
        let parts: Vec<&str> = module.split('.').collect();
        match self {
            Family::Basic(units) => basic(&parts, units),
            Family::Bottleneck => bottleneck(&parts),
            Family::Vgg(convolutions) => vgg(&parts, convolutions),
            Family::MobileNetV2 { triples } => mobilenet_v2(&parts, triples),
            Family::DenseNet => densenet(&parts),
            Family::EfficientNetLite0 => efficientnet_lite0(&parts),
        }
    }
}

/// The number behind a name: 3 of `layer3`.
fn numbered(part: &str, name: &str) -> Option<usize> {
    part.strip_prefix(name)?.parse().ok()
}

/// `conv2` is `2_conv`, `bn2` is `2_bn`.
fn numbered_pair(part: &str) -> Option<String> {
    let kind = ["conv", "bn"].into_iter().find(|kind| numbered(part, kind).is_some())?;
    Some(format!("{}_{kind}", numbered(part, kind)?))
}

fn shortcut(part: &str) -> Option<&'static str> {
    match part {
        "0" => Some("conv"),
        "1" => Some("bn"),
        _ => None,
    }
}

fn basic(parts: &[&str], units: [usize; 4]) -> Option<String> {
    let unit = |stage: &str, block: &str| {
        let stage = numbered(stage, "layer").filter(|s| (1..=4).contains(s))?;
        Some(units[..stage - 1].iter().sum::<usize>() + block.parse::<usize>().ok()?)
    };
    Some(match parts {
        ["conv1"] => "stem_conv".into(),
        ["bn1"] => "stem_bn".into(),
        ["fc"] => "out".into(),
        [stage, block, "downsample", part] => format!("ru{}_skip_{}", unit(stage, block)?, shortcut(part)?),
        [stage, block, part] => format!("ru{}_{}", unit(stage, block)?, numbered_pair(part)?),
        _ => return None,
    })
}

fn bottleneck(parts: &[&str]) -> Option<String> {
    let prefix = |stage: &str, block: &str| {
        let (stage, block) = (numbered(stage, "layer")?, block.parse::<usize>().ok()?);
        Some(format!("conv{}_block{}", stage + 1, block + 1))
    };
    Some(match parts {
        ["conv1"] => "conv1_conv".into(),
        ["bn1"] => "conv1_bn".into(),
        ["fc"] => "predictions".into(),
        [stage, block, "downsample", part] => format!("{}_0_{}", prefix(stage, block)?, shortcut(part)?),
        [stage, block, part] => format!("{}_{}", prefix(stage, block)?, numbered_pair(part)?),
        _ => return None,
    })
}

fn vgg(parts: &[&str], convolutions: [usize; 5]) -> Option<String> {
    match parts {
        ["features", index] => {
            // Each convolution is followed by its activation, each stage by a pooling layer.
            let (index, mut first): (usize, usize) = (index.parse().ok()?, 0);
            for (stage, count) in (1..).zip(convolutions) {
                let at = index.checked_sub(first)?;
                if at < 2 * count {
                    return at.is_multiple_of(2).then(|| format!("block{stage}_conv{}", at / 2 + 1));
                }
                first += 2 * count + 1;
            }
            None
        }
        ["classifier", "0"] | ["pre_logits", "fc1"] => Some("fc1".into()),
        ["classifier", "3"] | ["pre_logits", "fc2"] => Some("fc2".into()),
        ["classifier", "6"] | ["head", "fc"] => Some("predictions".into()),
        _ => None,
    }
}

/// The parts of an inverted residual block, in order: expansion, depthwise convolution, projection.
const INVERTED: [&str; 6] = ["expand", "expand_BN", "depthwise", "depthwise_BN", "project", "project_BN"];

fn mobilenet_v2(parts: &[&str], triples: bool) -> Option<String> {
    let layer = |block: usize, part: usize| {
        let prefix = if block == 0 { "expanded_conv".to_string() } else { format!("block_{block}") };
        Some(format!("{prefix}_{}", INVERTED.get(part)?))
    };
    Some(match parts {
        ["features", "0", "0"] | ["conv_stem"] => "Conv1".into(),
        ["features", "0", "1"] | ["bn1"] => "bn_Conv1".into(),
        ["features", "18", "0"] | ["conv_head"] => "Conv_1".into(),
        ["features", "18", "1"] | ["bn2"] => "Conv_1_bn".into(),
        ["classifier"] | ["classifier", "1"] => "predictions".into(),
        ["features", block, "conv", inner @ ..] => {
            let block = block.parse::<usize>().ok()?.checked_sub(1).filter(|block| *block < 17)?;
            // The first block does not expand.
            let skipped = if block == 0 { 2 } else { 0 };
            let part = match inner {
                [triple, part] => {
                    2 * triple.parse::<usize>().ok()? + part.parse::<usize>().ok().filter(|part| *part < 2)?
                }
                // The projection has no activation and is no triple.
                [index] if triples => index.parse::<usize>().ok()? + (2 - skipped / 2),
                // All in one row, activations included.
                [index] => index.parse::<usize>().ok().map(|index| index - index / 3)?,
                _ => return None,
            };
            layer(block, part + skipped)?
        }
        ["blocks", stage, block, part] => {
            let block = flat(&MOBILENET_V2, stage, block)?;
            layer(block, timm_part(block == 0, part)?)?
        }
        _ => return None,
    })
}

/// timm's names within an inverted residual block; the first one has no expansion.
fn timm_part(first: bool, part: &str) -> Option<usize> {
    let names: &[&str] = if first {
        &["conv_dw", "bn1", "conv_pw", "bn2"]
    } else {
        &["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
    };
    let at = names.iter().position(|name| *name == part)?;
    Some(if first { at + 2 } else { at })
}

/// The number of a stage's block among all blocks.
fn flat(stages: &[usize], stage: &str, block: &str) -> Option<usize> {
    let (stage, block): (usize, usize) = (stage.parse().ok()?, block.parse().ok()?);
    (block < *stages.get(stage)?).then(|| stages[..stage].iter().sum::<usize>() + block)
}

fn densenet(parts: &[&str]) -> Option<String> {
    Some(match parts {
        ["classifier"] => "predictions".into(),
        ["features", "conv0"] => "conv1_conv".into(),
        ["features", "norm0"] => "conv1_bn".into(),
        ["features", "norm5"] => "bn".into(),
        ["features", block, layer, inner @ ..] if block.starts_with("denseblock") => {
            let (block, layer) = (numbered(block, "denseblock")?, numbered(layer, "denselayer")?);
            // Checkpoints of torchvision's first years write `norm.1`.
            let part = match inner.concat().as_str() {
                "norm1" => "0_bn",
                "conv1" => "1_conv",
                "norm2" => "1_bn",
                "conv2" => "2_conv",
                _ => return None,
            };
            format!("conv{}_block{layer}_{part}", block + 1)
        }
        ["features", transition, part] => {
            let stage = numbered(transition, "transition")? + 1;
            match *part {
                "norm" => format!("pool{stage}_bn"),
                "conv" => format!("pool{stage}_conv"),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn efficientnet_lite0(parts: &[&str]) -> Option<String> {
    const PARTS: [&str; 6] = ["expand_conv", "expand_bn", "dwconv", "bn", "project_conv", "project_bn"];
    let layer = |block: usize, part: usize| {
        let mut first = 0;
        for (stage, count) in (1..).zip(EFFICIENTNET_LITE0) {
            if block < first + count {
                let letter = char::from(b'a' + (block - first) as u8);
                return Some(format!("block{stage}{letter}_{}", PARTS.get(part)?));
            }
            first += count;
        }
        None
    };
    Some(match parts {
        ["_conv_stem"] | ["conv_stem"] => "stem_conv".into(),
        ["_bn0"] | ["bn1"] => "stem_bn".into(),
        ["_conv_head"] | ["conv_head"] => "top_conv".into(),
        ["_bn1"] | ["bn2"] => "top_bn".into(),
        ["_fc"] | ["classifier"] => "predictions".into(),
        ["_blocks", block, part] => {
            let names = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"];
            layer(block.parse().ok()?, names.iter().position(|name| name == part)?)?
        }
        ["blocks", stage, block, part] => {
            let block = flat(&EFFICIENTNET_LITE0, stage, block)?;
            layer(block, timm_part(block == 0, part)?)?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_other_families_has_its_layer() {
        let family = |network: &str| Family::of(network, std::iter::once("features.1.conv.0.0.weight")).unwrap();
        let flat = Family::of("MobileNetV2", std::iter::empty()).unwrap();
        for (family, module, layer) in [
            (family("ResNet34"), "layer3.4.conv2", "ru11_2_conv"),
            (family("ResNet18"), "layer2.0.downsample.1", "ru2_skip_bn"),
            (family("VGG16"), "features.0", "block1_conv1"),
            (family("VGG16"), "features.28", "block5_conv3"),
            (family("VGG19"), "features.34", "block5_conv4"),
            (family("VGG16"), "classifier.3", "fc2"),
            (family("MobileNetV2"), "features.1.conv.0.0", "expanded_conv_depthwise"),
            (family("MobileNetV2"), "features.1.conv.1", "expanded_conv_project"),
            (family("MobileNetV2"), "features.1.conv.2", "expanded_conv_project_BN"),
            (family("MobileNetV2"), "features.17.conv.1.1", "block_16_depthwise_BN"),
            (family("MobileNetV2"), "features.2.conv.2", "block_1_project"),
            (family("MobileNetV2"), "features.2.conv.3", "block_1_project_BN"),
            (flat, "features.1.conv.3", "expanded_conv_project"),
            (flat, "features.1.conv.4", "expanded_conv_project_BN"),
            (flat, "features.17.conv.3", "block_16_depthwise"),
            (flat, "features.17.conv.7", "block_16_project_BN"),
            (flat, "blocks.0.0.conv_pw", "expanded_conv_project"),
            (flat, "blocks.1.1.conv_pwl", "block_2_project"),
            (family("DenseNet121"), "features.denseblock3.denselayer24.norm2", "conv4_block24_1_bn"),
            (family("DenseNet121"), "features.denseblock1.denselayer1.norm.1", "conv2_block1_0_bn"),
            (family("DenseNet121"), "features.transition2.conv", "pool3_conv"),
            (family("EfficientNetLite0"), "_blocks.15._project_conv", "block7a_project_conv"),
            (family("EfficientNetLite0"), "blocks.6.0.bn1", "block7a_expand_bn"),
            (family("EfficientNetLite0"), "blocks.0.0.conv_dw", "block1a_dwconv"),
        ] {
            assert_eq!(family.layer(module).as_deref(), Some(layer), "{module}");
        }
        for module in ["features.30", "features.1", "features.18.conv.0.0", "layer5.0.conv1", "blocks.1.2.conv_pw"] {
            for network in ["ResNet18", "VGG16", "MobileNetV2"] {
                assert_eq!(family(network).layer(module), None, "{network} {module}");
            }
        }
    }
}
